"""Annotation files and images to what the model is fed; imports geometry."""
