"""Parts of tools/analysis_tools/benchmark_layers.py."""
