"""What a training logged, read from the work dir of tools/train.py."""
import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

NOT_MEASURED = ('data_time', 'time')
"""Seconds of an iteration, which stand among the metrics."""


def read_test(train: Path) -> Optional[Dict[str, float]]:
    """Metrics of the final test in a work dir of tools/train.py, or None."""
    starts = _starts(train)
    files = sorted(starts[-1].glob('[0-9]*.json')) if starts else []
    if not files:
        return None
    return _numbers(json.loads(files[-1].read_text(encoding='utf-8')))


def read_curves(train: Path) -> Tuple[List[Dict[str, float]], List[Dict[str, float]], float]:
    """Losses as logged, metrics of each validation, and the highest memory of a GPU (0: none).

    Of an iteration that a resumed training repeats, the last counts.
    """
    losses: Dict[float, Dict[str, float]] = {}
    validations: Dict[float, Dict[str, float]] = {}
    memory = 0.0
    for start in _starts(train):
        log = start / 'vis_data' / 'scalars.json'
        for line in log.read_text(encoding='utf-8').splitlines() if log.is_file() else ():
            with suppress(ValueError):  # a line that a kill cut off
                entry = _numbers(json.loads(line))
                memory = max(memory, entry.get('memory', 0.0))
                if 'iter' in entry:
                    losses[entry['iter']] = {
                        name: value for name, value in entry.items()
                        if 'loss' in name or name in ('iter', 'epoch')}
                elif 'step' in entry:
                    epoch = entry.pop('step')
                    validations[epoch] = dict(epoch=epoch, **entry)
    return ([losses[key] for key in sorted(losses)],
            [validations[key] for key in sorted(validations)], memory)


def _starts(train: Path) -> List[Path]:
    return sorted(path.parent for path in train.glob('*/vis_data'))


def _numbers(values: Dict[str, Any]) -> Dict[str, float]:
    return {name: value for name, value in values.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool)
            and name not in NOT_MEASURED}
