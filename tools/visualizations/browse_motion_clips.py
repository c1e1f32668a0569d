"""Draw motion clips as a picture: one strip of frames for each class.

    python tools/visualizations/browse_motion_clips.py --out motion_clips.png
"""
import argparse
from pathlib import Path
from typing import List, Optional, Sequence

import cv2
import numpy as np

from cbm_plugin.synthetic.motion_clips import CLASS_NAMES, render_motion_clip

GAP = 2  # pixels between frames
NAME_WIDTH = 200  # pixels for the class's name before its strip


def contact_sheet(clips: Sequence[np.ndarray], names: Sequence[str], scale: int = 3) -> np.ndarray:
    """Clips below each other, each as a strip of its frames with its name before it.

    Args:
        clips: Each uint8 ``(T, H, W, 3)``, all of one shape.
        names: One for each clip.
        scale: Screen pixels for each pixel of a frame, both ways.

    Returns:
        A picture, uint8 ``(height, width, 3)``, colours in the order of the clips.
    """
    return np.concatenate([_strip(clip, name, scale) for clip, name in zip(clips, names)])


def _strip(clip: np.ndarray, name: str, scale: int) -> np.ndarray:
    frames = clip.repeat(scale, axis=1).repeat(scale, axis=2)
    frames = np.pad(frames, ((0, 0), (GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255)
    label = np.full((frames.shape[1], NAME_WIDTH, 3), 255, np.uint8)
    cv2.putText(label, name, (8, len(label) // 2 + 5), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1,
                cv2.LINE_AA)
    return np.concatenate([label, *frames], axis=1)


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw one strip of frames for each class of motion clips')
    parser.add_argument(
        '--out', type=Path, default=Path('motion_clips.png'), help='picture to write')
    parser.add_argument('--seed', type=int, default=0, help='another seed draws other clips')
    parser.add_argument('--num-frames', type=int, default=16, help='frames of each clip')
    parser.add_argument('--size', type=int, default=32, help='height and width of a frame')
    parser.add_argument('--scale', type=int, default=2, help='screen pixels for each pixel')
    parser.add_argument(
        '--same-look',
        action='store_true',
        help='the same shape, colours and start in every class: only the motion differs')
    return parser.parse_args(argv)


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    clips = []
    for label in range(len(CLASS_NAMES)):
        rng = np.random.default_rng([args.seed, 0 if args.same_look else label])
        clips.append(render_motion_clip(label, rng, args.num_frames, args.size))
    sheet = contact_sheet(clips, CLASS_NAMES, args.scale)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(args.out), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
        raise OSError(f'cannot write the picture {args.out}: use a name that ends in .png or .jpg')
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
