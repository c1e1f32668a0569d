"""Parts of polygon_demo.py: where the boxes come from."""
