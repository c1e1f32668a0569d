"""Parts of stream_demo.py: where frames come from, what is drawn, what is kept."""
