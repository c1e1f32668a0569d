"""Parts of prepare_video_dataset.py: official lists, what must hold for them, files, report."""
