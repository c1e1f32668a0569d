"""Parts of extract_features.py: what a config gives, and where the features go."""
