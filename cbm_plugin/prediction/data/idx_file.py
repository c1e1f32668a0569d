"""The idx format of MNIST's files: a header of big-endian numbers, then the pixels."""
import gzip
import math
import os
import struct
import zlib
from io import BufferedIOBase

import numpy as np

GZIP = b'\x1f\x8b'
IMAGES, LABELS = 0x0803, 0x0801  # unsigned bytes, of 3 axes and of 1
HEADER_BYTES = 16
AGAIN = 'download it again'


def read_idx(path: str) -> np.ndarray:
    """The images of an idx file, plain or compressed by gzip.

    Args:
        path: such as ``train-images-idx3-ubyte.gz``.

    Returns:
        uint8 ``(N, H, W)``, read-only.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else than images, or more or less than its header says, or
            is called .gz and is not compressed; with what was found and expected, and a remedy.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f'the file of images {path} does not exist: set data_root to the '
                                "folder that holds MNIST's idx files, and the file's name")
    with open(path, 'rb') as file:
        compressed = file.read(2) == GZIP
        file.seek(0)
        if not compressed:
            if path.endswith('.gz'):
                raise ValueError(f'{path} begins with the bytes {file.read(4).hex()!r}, but a .gz '
                                 f'file with {GZIP.hex()!r}: {AGAIN}, or take .gz off its name if '
                                 'it is already unpacked')
            return _read(file, path)
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read(unpacked, path)
        except EOFError:
            raise ValueError(f'{path}, of {os.path.getsize(path)} bytes, ends before its gzip '
                             f'stream does: the download was cut short, {AGAIN}') from None
        except (OSError, zlib.error) as error:
            raise ValueError(f'{path} is damaged, its gzip stream cannot be unpacked ({error}): '
                             f'{AGAIN}') from None


def _read(file: BufferedIOBase, path: str) -> np.ndarray:
    header = file.read(HEADER_BYTES)
    magic = int.from_bytes(header[:4], 'big')
    if magic == LABELS:
        raise ValueError(f'{path} is an idx file of labels (it begins with {LABELS}), but images '
                         f'are needed ({IMAGES}): use the file with images-idx3 in its name')
    if len(header) < 4 or magic != IMAGES:
        raise ValueError(f'{path} begins with the bytes {header[:4].hex()!r}, but an idx file of '
                         f"images with '{IMAGES:08x}': it is no such file, {AGAIN}")
    if len(header) < HEADER_BYTES:
        raise ValueError(f'{path} ends after {len(header)} of the {HEADER_BYTES} bytes of its '
                         f'header: {AGAIN}')
    shape = struct.unpack('>3I', header[4:])
    expected = math.prod(shape)
    if not expected:
        raise ValueError(f'{path} holds no pixel: its header says {_say(shape)}: {AGAIN}')
    content = _up_to(file, expected)
    if len(content) != expected:
        raise ValueError(f'{path} holds {len(content)} bytes of pixels, but its header says '
                         f'{_say(shape)}, that is {expected}: it was cut short, {AGAIN}')
    if file.read(1):
        raise ValueError(f'{path} goes on after the {expected} bytes of pixels that its header '
                         f'says ({_say(shape)}): {AGAIN}')
    return np.frombuffer(content, np.uint8).reshape(shape)


def _up_to(file: BufferedIOBase, expected: int) -> bytes:
    """In blocks, so that a header that promises too much does not reserve the memory for it."""
    blocks = []
    while expected > 0:
        block = file.read(min(expected, 1 << 24))
        if not block:
            break
        blocks.append(block)
        expected -= len(block)
    return b''.join(blocks)


def _say(shape: tuple) -> str:
    number, height, width = shape
    return f'{number} images of {height} x {width}'
