"""Outlines for people: predicted, corrected, drawn, written; imports network and below."""
