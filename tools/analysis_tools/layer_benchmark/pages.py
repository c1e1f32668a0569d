"""The place of the tables in a page."""
from typing import List


def marker_lines(device: str, dtype: str) -> List[str]:
    """The comments between which a page holds the tables of one device and dtype."""
    return [f'<!-- benchmark_layers {device} {dtype}: {word} -->' for word in ('begin', 'end')]
