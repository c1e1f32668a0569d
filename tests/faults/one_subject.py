"""Run one subject in a process of its own, which a fault may take down without the others.

    python -m tests.faults.one_subject MODULE FOLDER TRIED SEED OUT
"""
import importlib
import json
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path


def main(module: str, folder: str, tried: str, seed: str, out: str) -> None:
    """Write the outcomes as JSON, whole or not at all."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what it started is ended too
    outcomes = importlib.import_module(module).run(Path(folder), int(tried), int(seed))
    draft = Path(f'{out}.draft')
    draft.write_text(json.dumps([asdict(outcome) for outcome in outcomes]), encoding='utf-8')
    os.replace(draft, out)


if __name__ == '__main__':
    main(*sys.argv[1:])
