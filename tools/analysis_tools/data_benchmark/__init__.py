"""Parts of benchmark_data.py."""
