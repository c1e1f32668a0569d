"""Polygons, crops and grids as arrays: numpy and OpenCV alone, nothing of this package."""
