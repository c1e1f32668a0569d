"""Polygon-RNN: outlines of objects, vertex by vertex. Importing this registers its parts."""
