"""Motion clips: real mp4 files of 8 classes that differ in nothing but their motion.

A clip shows one shape on a textured background. The shape has four attributes: its horizontal and
vertical place, its orientation and its size. Each attribute lives on a circle (the place wraps
around the frame's borders, the orientation around a full turn, the size jumps from the largest
back to the smallest), where it starts at a uniformly random phase. A class moves exactly one
attribute in one direction at constant speed. A uniform phase that is moved along its circle stays
uniform: so each single frame of a clip has the same distribution in every class, and only the order
of the frames tells the classes apart.
"""
import os
import zlib
from pathlib import Path
from typing import Dict, List, Union

import cv2
import numpy as np

from ..progress import Progress
from .folder import make_once
from .video import write_mp4

CLASS_NAMES = ('shift_left', 'shift_right', 'shift_up', 'shift_down', 'rotate_clockwise',
               'rotate_counterclockwise', 'grow', 'shrink')

ATTRIBUTES = ('x', 'y', 'orientation', 'size')

# What each class moves (an index into ATTRIBUTES) and which way. Image coordinates: y grows
# downwards, so a growing angle turns clockwise on the screen.
CLASS_MOTIONS = ((0, -1), (0, +1), (1, -1), (1, +1), (2, +1), (2, -1), (3, +1), (3, -1))

# Circles per frame. At 32 pixels the slowest shape moves 1 pixel, 11 degrees or 3% of its size in a
# frame; the fastest, 2.6 pixels, 29 degrees or 8%: far from the half circle per frame where a
# direction could be taken for its opposite.
SPEEDS = (0.03, 0.08)

# Distance from the shape's centre to its farthest point, as a share of the frame's side. The
# largest still fits into the frame, so that a wrapped shape never meets itself.
RADII = (0.16, 0.40)

FPS = 8

# Part of a set's parameters: raise it when the same parameters give other pixels than before.
VERSION = 1

# Widths that decord 0.6.0 cannot decode (it miscounts the bytes of a row that is not aligned);
# found by trying all even widths from 8 to 258.
_UNDECODABLE_WIDTHS = (8, 12, 16, 24, 48, 72)
_MIN_SIZE = 32

# cv2.fillPoly is off by up to a pixel of its canvas: 8 times finer leaves less than .1 of a frame's
# pixel.
_SUPERSAMPLING = 8
_SHIFT_BITS = 6

# Grey levels. Every pixel of the shape is at least MIN_CONTRAST - 2.5 * TEXTURE_STD away from the
# background under it, in luma.
_MIN_CONTRAST = 70
_TEXTURE_STD = 12
_LUMA = np.array([0.299, 0.587, 0.114])


def render_motion_clip(label: int,
                       rng: np.random.Generator,
                       num_frames: int = 16,
                       size: int = 32) -> np.ndarray:
    """Draw one clip.

    The same state of ``rng`` gives the same shape, colours, background, start and speed for every
    label: then the first frames are equal, and only the motion differs.

    Args:
        label: Class, an index into :data:`CLASS_NAMES`.
        rng: Source of everything random in the clip.
        num_frames: Number of frames T, at least 2. Default 16: the slowest motion still covers
            half of its circle.
        size: Height and width in pixels. Default 32: small enough to train on two CPU cores.

    Returns:
        The frames, RGB, uint8 ``(T, size, size, 3)``.

    Raises:
        ValueError: If the label names no class, or the frames are too few, too small, or of a width
            that decord cannot decode.
    """
    _check(label, num_frames, size)
    phases = attribute_phases(label, rng, num_frames)
    outline = list(SHAPES.values())[rng.integers(len(SHAPES))]
    background, colour = _draw_look(rng, size)
    alpha = np.stack([shape_mask(outline, phase, size) for phase in phases])[..., None]
    return np.rint(background + alpha * (colour - background)).astype(np.uint8)


def make_motion_clips(root: Union[str, Path],
                      split: str,
                      num_clips: int,
                      seed: int,
                      num_frames: int = 16,
                      size: int = 32) -> Path:
    """Write a set of motion clips as mp4 files, or find the one written before.

    A set lies in a folder of its own, ``root/<split>_<parameters>``, beside those of other
    parameters. It appears there whole or not at all: it is written elsewhere and then renamed, so
    that an interruption leaves nothing half done, and of two processes that make the same set at
    once the second to finish takes the first one's. Clip number ``i`` depends on ``seed``,
    ``split`` and ``i`` alone (and on the frames' number and size), not on ``num_clips``.

    Args:
        root: Folder for all sets; made when missing.
        split: Name of the set, e.g. ``'train'``. Sets of different names share no clip.
        num_clips: Number of clips. Clip ``i`` has class ``i % 8``, so the classes are balanced.
        seed: A non-negative integer.
        num_frames: Frames of each clip, at 8 frames per second.
        size: Height and width in pixels; an even number from 32 on, but not 48 or 72 (decord).

    Returns:
        Path of the set's annotation list, in MMAction2's format: ``clips/000000.mp4 0`` on each
        line, the path relative to the folder that holds the list.

    Raises:
        ValueError: If a parameter is out of its range.
        RuntimeError: If this OpenCV cannot write mp4 files.
    """
    _check(0, num_frames, size)
    if num_clips < 1 or seed < 0:
        raise ValueError(f'num_clips={num_clips} and seed={seed}: '
                         'at least 1 clip and a seed of 0 or more are needed')
    if not split or Path(split).name != split:
        raise ValueError(f"split={split!r} cannot name a folder: use a plain word such as 'train'")

    manifest = dict(
        version=VERSION, split=split, num_clips=num_clips, seed=seed, num_frames=num_frames,
        size=size)
    name = f'{split}_{num_clips}x{num_frames}x{size}_seed{seed}_v{VERSION}'
    folder = Path(root) / name
    make_once(folder, manifest, _write_set, _is_complete)
    return folder / 'list.txt'


def attribute_phases(label: int, rng: np.random.Generator, num_frames: int) -> np.ndarray:
    """Where each attribute stands on its circle in each frame of a clip.

    Returns:
        float64 ``(num_frames, 4)`` in ``[0, 1)``, columns as in :data:`ATTRIBUTES`.
    """
    start = rng.random(len(ATTRIBUTES))
    speed = rng.uniform(*SPEEDS)
    attribute, direction = CLASS_MOTIONS[label]
    phases = np.tile(start, (num_frames, 1))
    phases[:, attribute] += direction * speed * np.arange(num_frames)
    return phases % 1.0


def shape_mask(outline: np.ndarray, phase: np.ndarray, size: int) -> np.ndarray:
    """How much of each pixel the shape covers, anti-aliased, with wrapped borders.

    Args:
        outline: Polygon ``(points, 2)``, one of :data:`SHAPES`.
        phase: The four attributes, ``(4,)`` in ``[0, 1)``.
        size: Height and width in pixels.

    Returns:
        float64 ``(size, size)`` in ``[0, 1]``.
    """
    smallest, largest = RADII
    radius = size * smallest * (largest / smallest)**phase[3]
    angle = 2 * np.pi * phase[2]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # Drawn about the middle and then rolled by whole pixels: the borders wrap by construction.
    whole, part = np.divmod(size * (phase[:2] - 0.5), 1)
    points = radius * outline @ turn.T + size / 2 + part
    # fillPoly takes integers in units of 1 / 2**shift pixels, with 0 at the first pixel's centre.
    fixed = np.rint((points * _SUPERSAMPLING - 0.5) * 2**_SHIFT_BITS).astype(np.int32)
    canvas = np.zeros((size * _SUPERSAMPLING, ) * 2, np.uint8)
    cv2.fillPoly(canvas, [fixed], 255, lineType=cv2.LINE_8, shift=_SHIFT_BITS)
    mask = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA) / 255
    return np.roll(mask, (int(whole[1]), int(whole[0])), axis=(0, 1))


def _draw_look(rng: np.random.Generator, size: int) -> tuple:
    """A background, float64 ``(size, size, 3)``, and a colour ``(3,)`` that stands out from it."""
    tint = _mute(rng.uniform(60, 195, 3))
    noise = rng.standard_normal((size, size, 3))
    blur = rng.uniform(1.0, 2.5)
    # Wrapped like everything else, so that no place in the frame is special; padded, because
    # GaussianBlur knows no wrapped border.
    margin = size // 2
    noise = np.pad(noise, ((margin, margin), (margin, margin), (0, 0)), 'wrap')
    noise = cv2.GaussianBlur(noise, (0, 0), blur)[margin:-margin, margin:-margin]
    noise = np.clip(noise / noise.std(), -2.5, 2.5)
    # Mostly grey, for the reason that _mute() names.
    texture = _TEXTURE_STD * (0.7 * noise[..., :1] + 0.3 * noise)
    colour = _mute(rng.uniform(0, 255, 3))
    while abs(_LUMA @ (colour - tint)) < _MIN_CONTRAST:
        colour = _mute(rng.uniform(0, 255, 3))
    return tint + texture, colour


def _mute(colour: np.ndarray) -> np.ndarray:
    """Halve the saturation, and keep the luma.

    mp4 keeps colour at half the resolution: fully saturated shapes lose several dB at their edges.
    """
    grey = _LUMA @ colour
    return grey + (colour - grey) / 2


def _outlines() -> Dict[str, np.ndarray]:
    """Polygons about their centre of area, farthest point at distance 1, y downwards.

    None looks the same after a part of a full turn, which would hide the direction of a rotation.
    """
    arc = np.linspace(0, np.pi, 25)
    half_disc = np.stack([np.cos(arc), np.sin(arc)], 1)
    drop = np.concatenate([half_disc, [[0, -2.2]]])
    shapes: Dict[str, Union[list, np.ndarray]] = dict(
        dart=[(0, -3), (2, 2), (0, 1), (-2, 2)],
        corner=[(-2, -3), (-0.6, -3), (-0.6, 1.6), (2, 1.6), (2, 3), (-2, 3)],
        hammer=[(-2, -3), (2, -3), (2, -1.4), (0.6, -1.4), (0.6, 3), (-0.6, 3), (-0.6, -1.4),
                (-2, -1.4)],
        flag=[(-1.5, -3), (1.8, -1.6), (-0.5, -0.2), (-0.5, 3), (-1.5, 3)],
        half_disc=half_disc,
        drop=drop)
    return {name: _normalise(np.array(points, float)) for name, points in shapes.items()}


def _normalise(points: np.ndarray) -> np.ndarray:
    x, y = points.T
    cross = x * np.roll(y, -1) - np.roll(x, -1) * y
    centre = ((points + np.roll(points, -1, axis=0)) * cross[:, None]).sum(0) / (3 * cross.sum())
    points = points - centre
    return points / np.linalg.norm(points, axis=1).max()


SHAPES = _outlines()


def _check(label: int, num_frames: int, size: int) -> None:
    if not 0 <= label < len(CLASS_NAMES):
        raise ValueError(f'label {label} is not within 0..{len(CLASS_NAMES) - 1} '
                         f'({", ".join(CLASS_NAMES)})')
    if num_frames < 2:
        raise ValueError(f'num_frames={num_frames} shows no motion: use 2 or more')
    if size < _MIN_SIZE or size % 2 or size in _UNDECODABLE_WIDTHS:
        raise ValueError(
            f'size={size}: mp4 needs an even size, the shapes one of {_MIN_SIZE} or more, and '
            'decord cannot decode widths of 48 and 72. Use e.g. 32, 40, 56, 64, 96 or 112')


def _is_complete(folder: Path, manifest: dict) -> bool:
    lines = (folder / 'list.txt').read_text().splitlines()
    return len(lines) == len(os.listdir(folder / 'clips')) == manifest['num_clips']


def _write_set(folder: Path, manifest: dict) -> None:
    (folder / 'clips').mkdir(parents=True)
    num_clips, split = manifest['num_clips'], manifest['split']
    progress = Progress(f'motion clips ({split}) written', num_clips)
    lines: List[str] = []
    for index in range(num_clips):
        label = index % len(CLASS_NAMES)
        seeds = np.random.SeedSequence(
            manifest['seed'], spawn_key=(zlib.crc32(split.encode()), index))
        frames = render_motion_clip(
            label, np.random.default_rng(seeds), manifest['num_frames'], manifest['size'])
        name = f'clips/{index:06d}.mp4'
        write_mp4(folder / name, frames, FPS)
        lines.append(f'{name} {label}\n')
        progress.update(index + 1)
    (folder / 'list.txt').write_text(''.join(lines))
