"""Models around a network: losses, feeding, adversarial training; imports network and data."""
