"""Sequences of frames, from files or drawn, to what the model is fed."""
