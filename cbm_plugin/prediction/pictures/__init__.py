"""Predicted frames for people: strips, animations, curves over time steps; imports data alone."""
