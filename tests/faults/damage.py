"""Good small videos, and what can happen to a file: a pool of bad ones, from a seed."""
import random
import struct
from pathlib import Path
from typing import Callable, Dict, List, NamedTuple

import cv2
import numpy as np

from cbm_plugin.synthetic.video import write_mp4

from ..video.videos import write_avi

HEIGHT, WIDTH, FRAMES = 48, 64, 20


class BadVideo(NamedTuple):
    """A file that was made of a good one."""
    name: str
    kind: str
    hopeless: bool
    """Nothing can be shown of it: it must be named. Others may be shown in part."""


def frames_of(seed: int, count: int = FRAMES, height: int = HEIGHT, width: int = WIDTH
              ) -> np.ndarray:
    """A coloured texture that drifts; uint8 ``(T, H, W, 3)``."""
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    texture = cv2.resize(cells, (width + 2 * count, height + count))
    return np.stack([texture[t:t + height, 2 * t:2 * t + width] for t in range(count)])


def write_good(path: Path, seed: int) -> None:
    """An mp4 (MPEG-4) or, by its suffix, an avi file (MJPG)."""
    if path.suffix == '.mp4':
        write_mp4(path, frames_of(seed))
    else:
        write_avi(path, list(frames_of(seed)))


def cut_off(rng: random.Random, good: bytes) -> bytes:
    """Copying stopped somewhere."""
    return good[:rng.randrange(1, len(good) - 1)]


def with_flipped_bits(rng: random.Random, good: bytes) -> bytes:
    """1 to 200 bits, anywhere."""
    content = bytearray(good)
    for _ in range(rng.choice((1, 5, 30, 200))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    return bytes(content)


def with_zeros(rng: random.Random, good: bytes) -> bytes:
    """A lost block."""
    start, size = rng.randrange(len(good)), rng.choice((16, 512, 4096))
    return (good[:start] + bytes(size) + good[start + size:])[:len(good)]


def with_noise(rng: random.Random, good: bytes) -> bytes:
    """A block of another file."""
    start, size = rng.randrange(len(good)), rng.choice((4, 64, 2000))
    noise = bytes(rng.randrange(256) for _ in range(size))
    return (good[:start] + noise + good[start + size:])[:len(good)]


def with_other_header(rng: random.Random, good: bytes, other: bytes) -> bytes:
    """The first bytes of a video of the other kind."""
    size = rng.choice((32, 200, 1024))
    return other[:size] + good[size:]


def declaring_frames(avi: bytes, count: int) -> bytes:
    """An avi file whose header says that it has so many frames."""
    place = avi.index(b'strh') + 8 + 32
    return avi[:place] + struct.pack('<I', count) + avi[place + 4:]


def declaring_size(mp4: bytes, height: int, width: int) -> bytes:
    """An MPEG-4 video whose header says that its frames are of this size (13 bits each)."""
    start = mp4.index(b'\0\0\1\x20') + 4  # the header of the video object layer, in bits
    bits = ''.join(f'{byte:08b}' for byte in mp4[start:start + 20])
    old, new = (f'1{w:013b}1{h:013b}1' for h, w in ((HEIGHT, WIDTH), (height, width)))
    bits = bits.replace(old, new, 1)
    made = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
    return mp4[:start] + made + mp4[start + 20:]


Maker = Callable[[random.Random, Dict[str, bytes], str], bytes]

DAMAGE: Dict[str, Maker] = {
    'cut off': lambda rng, good, suffix: cut_off(rng, good[suffix]),
    'bits flipped': lambda rng, good, suffix: with_flipped_bits(rng, good[suffix]),
    'a block of zeros': lambda rng, good, suffix: with_zeros(rng, good[suffix]),
    'a block of noise': lambda rng, good, suffix: with_noise(rng, good[suffix]),
    'header swapped': lambda rng, good, suffix: with_other_header(
        rng, good[suffix], good['.avi' if suffix == '.mp4' else '.mp4']),
    'wrong suffix': lambda rng, good, suffix: good['.avi' if suffix == '.mp4' else '.mp4'],
    'empty': lambda rng, good, suffix: b'',
    'no video': lambda rng, good, suffix: b'This is not a video at all.\n' * 200,
    'one frame': lambda rng, good, suffix: good['one frame'],
    'odd size': lambda rng, good, suffix: good['odd size'],
    'declares 2**30 frames': lambda rng, good, suffix: declaring_frames(good['.avi'], 1 << 30),
    'declares frames of 8191x8191': lambda rng, good, suffix: declaring_size(
        good['.mp4'], 8191, 8191),
}
"""Kinds, and how a file is made from good ones and the suffix that it will have."""

HOPELESS = ('empty', 'no video', 'declares 2**30 frames', 'declares frames of 8191x8191')


def write_bad(folder: Path, number: int, seed: int) -> List[BadVideo]:
    """So many bad files: all kinds in turn, each from its own draw; avi and mp4 in turn too."""
    good = _good(folder / 'good')
    made = []
    for i in range(number):
        kind = list(DAMAGE)[i % len(DAMAGE)]
        suffix = ('.mp4', '.avi')[(i + i // len(DAMAGE)) % 2]
        name = f'bad_{i:04d}{suffix}'
        (folder / name).write_bytes(DAMAGE[kind](random.Random(seed * 1000003 + i), good, suffix))
        made.append(BadVideo(name, kind, kind in HOPELESS))
    return made


def _good(folder: Path) -> Dict[str, bytes]:
    """The good files, by suffix, and two that are merely unusual."""
    folder.mkdir(parents=True)
    frames = dict([('.mp4', frames_of(0)), ('.avi', frames_of(1)),
                   ('one frame', frames_of(2, count=1)),
                   ('odd size', frames_of(3, height=HEIGHT - 1, width=WIDTH + 3))])
    good = {}
    for name, shown in frames.items():
        path = folder / f'{name.strip(".")}.avi'
        if name == '.mp4':
            write_mp4(path, shown)
        else:
            write_avi(path, list(shown))
        good[name] = path.read_bytes()
    return good
