"""Parts of predict_demo.py."""
