"""Parts of benchmark_prediction.py."""
