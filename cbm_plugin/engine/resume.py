"""Which checkpoint a training goes on from: the newest that can be read whole."""
import re
import zipfile
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Union

from mmengine.runner import CheckpointLoader

CHECKPOINT = re.compile(r'(?:epoch|iter)_(\d+)\.pth')
"""Names that MMEngine gives to what can be resumed from; the best ones hold no optimizer."""

NEEDED = {'state_dict': 'weights', 'meta': 'epoch and iteration', 'message_hub': 'log'}


class Resumable(NamedTuple):
    """A checkpoint that can be read whole.

    Args:
        path: its file.
        meta: what MMEngine wrote about it: ``epoch``, ``iter``, ``seed``, ...
        broken: why each newer one was passed over, a sentence each.
    """
    path: Path
    meta: Dict
    broken: List[str]


def newest_whole(work_dir: Union[str, Path]) -> Optional[Resumable]:
    """The newest checkpoint of a work dir that can be read whole; None where there is none yet.

    First the one that ``last_checkpoint`` names, then those before it, the newest first, and at
    last those after it: they may be of an earlier training. A work dir that was moved is found,
    and so are checkpoints in another folder (``out_dir``).

    Raises:
        ValueError: there are checkpoints, and none can be read; with the reason for each.
    """
    broken = []
    for path in _candidates(Path(work_dir)):
        try:
            return Resumable(path, read_whole(path)['meta'], broken)
        except ValueError as error:
            broken.append(str(error))
    if broken:
        raise ValueError(f'no checkpoint in {work_dir} can be read: {"; ".join(broken)}. Give a '
                         'good one, --resume CHECKPOINT, or move these away to start anew')
    return None


def read_whole(path: Path) -> Dict:
    """Read a checkpoint, every byte of it, and see that a training can go on from it.

    Raises:
        ValueError: it cannot be read, was changed, or lacks what a resumed training needs.
    """
    try:
        damaged = _damaged_part(path)
        loaded = CheckpointLoader.load_checkpoint(str(path), map_location='cpu', logger='silent')
    except Exception as error:  # pickle, zipfile, torch and the disk raise many kinds
        reason = (str(error).strip().splitlines() or [''])[0][:200]
        raise ValueError(f'{path} is broken ({type(error).__name__}: {reason})') from error
    if damaged is not None:
        raise ValueError(f'{path} is broken (the checksum of {damaged} is wrong)')
    lacking = [f'{key} ({what})' for key, what in NEEDED.items()
               if not isinstance(loaded, dict) or key not in loaded]
    if lacking:
        raise ValueError(f'{path} is no checkpoint to resume from: it lacks {", ".join(lacking)}')
    return loaded


def _damaged_part(path: Path) -> Optional[str]:
    """The first part of a checkpoint that was changed: torch reads it without a look at checksums.

    Files of the time before torch 1.6 are no zip files and have none.
    """
    if not zipfile.is_zipfile(path):
        return None
    with zipfile.ZipFile(path) as parts:
        return parts.testzip()


def _candidates(work_dir: Path) -> Iterator[Path]:
    noted = noted_checkpoint(work_dir)
    folder = work_dir if noted is None else noted.parent
    numbered = {path: int(match.group(1)) for path in folder.glob('*.pth')
                for match in [CHECKPOINT.fullmatch(path.name)] if match and path != noted}
    if noted is not None:
        yield noted
    match = CHECKPOINT.fullmatch(noted.name) if noted is not None else None
    last = int(match.group(1)) if match else max(numbered.values(), default=0)
    yield from sorted(numbered, key=lambda path: (numbered[path] > last, -numbered[path]))


def noted_checkpoint(work_dir: Union[str, Path]) -> Optional[Path]:
    """The checkpoint that ``last_checkpoint`` names, if it is there, also in a moved work dir."""
    note = Path(work_dir) / 'last_checkpoint'
    text = note.read_text(encoding='utf-8', errors='replace').strip() if note.is_file() else ''
    places = [Path(text), note.with_name(Path(text).name)] if text else []
    return next((place for place in places if place.is_file()), None)
