"""How good predicted frames are, step by step; imports nothing of prediction."""
