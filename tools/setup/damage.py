"""Find and remove distributions that an interrupted pip left half installed or half removed.

pip writes a distribution's RECORD last and removes its files first. Where a RECORD is missing, or
names a file that is not there, pip would still take the distribution for installed.
"""
from __future__ import annotations

import csv
import shutil
from pathlib import Path


def remove_damaged(site_packages: Path) -> list[str]:
    """Remove what is damaged, so that pip installs it anew. Returns the names of it."""
    records = {info: recorded_files(info) for info in sorted(site_packages.glob('*.dist-info'))}
    damaged = [info for info, files in records.items()
               if not files or not all(file.exists() for file in files)]
    shared = {file for info, files in records.items() if info not in damaged for file in files}
    for info in damaged:
        for file in set(records[info]) - shared:
            file.unlink(missing_ok=True)
        shutil.rmtree(info, ignore_errors=True)
    for stashed in site_packages.glob('~*'):  # where pip keeps what it is about to delete
        shutil.rmtree(stashed, ignore_errors=True)
    return [info.name.split('-')[0] for info in damaged]


def recorded_files(info: Path) -> list[Path]:
    """The files that a distribution consists of; none where its RECORD is missing."""
    record = info / 'RECORD'
    if not record.exists():
        return []
    with record.open(newline='', encoding='utf-8') as lines:
        return [info.parent / row[0] for row in csv.reader(lines) if row]
