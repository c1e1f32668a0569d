"""Networks that predict the next frame; imports layers."""
