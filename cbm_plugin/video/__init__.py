"""Frames of video files: read within bounds, brought to one small size, decoded once."""
