"""Export one step of a recurrent recognizer to ONNX, and check the file against PyTorch.

    python tools/deployment/export_onnx_step.py CONFIG CHECKPOINT OUT.onnx --size 224 224

In: `frame` (N, C, H, W), float32, 0 to 255, as the test pipeline hands it to the model (RGB unless
a transform changes that; the file normalises), and `state_0`, `state_1`, ..., zeros before the
first frame. Out: `output` (N, K), the frame's class scores (softmax), and `new_state_0`, ..., which
go in with the next frame. docs/deployment.md shows the loop.
"""
import argparse
import textwrap
from pathlib import Path
from typing import Iterator, List, Optional, Tuple

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
import torch
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from mmengine.utils import track_iter_progress
from torch import Tensor

from cbm_plugin.engine.user_errors import explain_user_errors, fail, load_config
from cbm_plugin.layers.export import compare_step, export_step, require
from cbm_plugin.recognition import RecurrentRecognizer
from cbm_plugin.recognition.step_export import RecognizerStep
from cbm_plugin.registry import MODELS
from cbm_plugin.safe_loading import RefusedFileError


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Export one step of a recurrent recognizer to ONNX: a frame and the states '
        'go in, class scores and the new states come out')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    parser.add_argument('out', type=Path, help='ONNX file to write')
    parser.add_argument(
        '--size', type=int, nargs=2, metavar=('H', 'W'),
        help='height and width of a frame (default: what the test pipeline crops or resizes to)')
    parser.add_argument(
        '--batch', type=int, help='fix the number of streams run side by side (default: any)')
    parser.add_argument(
        '--check-steps', type=int, default=50,
        help='random frames to compare onnxruntime with PyTorch on, with carried states')
    parser.add_argument(
        '--tolerance', type=float, default=1e-4,
        help='largest difference of a score; beyond it no file is left (default: 1e-4)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction,
        help='change entries of the config: key=value, with dots for nested keys')
    args = parser.parse_args(argv)
    sizes = [*(args.size or []), args.check_steps, 1 if args.batch is None else args.batch]
    if min(sizes) < 1:
        parser.error('--size, --batch and --check-steps must be at least 1')
    return args


def load_step(cfg: Config, checkpoint: str) -> RecognizerStep:
    """The config's model with the checkpoint's weights, all of them."""
    if '://' not in checkpoint and not Path(checkpoint).is_file():
        fail(f'there is no checkpoint {checkpoint}: give an existing file or a URL')
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    with explain_user_errors(cfg):
        model = MODELS.build(cfg.model)
    if not isinstance(model, RecurrentRecognizer):
        fail(f'model.type is {cfg.model.type!r}, but only a RecurrentRecognizer has a step to '
             "export: set model.type = 'RecurrentRecognizer', with its neck and head (README.md)")
    try:
        step = RecognizerStep(model)
    except ValueError as error:
        fail(str(error))
    try:
        load_checkpoint(model, checkpoint, map_location='cpu', strict=True)
    except RefusedFileError as error:
        fail(str(error))
    except RuntimeError as error:
        fail(f'{checkpoint} does not fit {cfg.filename}: {textwrap.shorten(str(error), 400)}')
    return step


def frame_size(cfg: Config) -> Tuple[int, int]:
    """Height and width after the test pipeline's last crop or resize."""
    pipeline = (cfg.get('test_dataloader') or {}).get('dataset', {}).get('pipeline') or []
    for transform in reversed(pipeline):
        size = transform.get('crop_size')
        if 'scale' in transform and not transform.get('keep_ratio', True):
            size = transform['scale']
        if size is not None:
            width, height = (size, size) if isinstance(size, int) else size
            return height, width
        if 'scale' in transform:
            break
    fail(f'the test pipeline of {cfg.filename} does not say how large a frame is: give --size H W')


def random_frames(steps: int, shape: Tuple[int, ...]) -> Iterator[Tensor]:
    """``steps`` frames of noise, 0 to 255, the same in every run; with a progress bar."""
    generator = torch.Generator().manual_seed(0)
    frames = (torch.randint(0, 256, shape, generator=generator).float() for _ in range(steps))
    return track_iter_progress((frames, steps))


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    try:
        require('onnx', 'onnxscript', 'onnxruntime')
    except ImportError as error:
        fail(str(error))
    cfg = load_config(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    step = load_step(cfg, args.checkpoint)
    shape = (args.batch or 1, step.frame_channels, *(args.size or frame_size(cfg)))
    batch = 'any N' if args.batch is None else f'N = {args.batch}'

    def check(draft: Path) -> None:
        print(f'checking {args.check_steps} steps against PyTorch', flush=True)
        differences = compare_step(step, draft, random_frames(args.check_steps, shape))
        print(f'\nlargest difference: {differences.output:.1e} of a score, '
              f'{differences.state:.1e} of a state')
        if not differences.output <= args.tolerance:  # NaN is not good enough either
            fail(f'a score differs by {differences.output:.1e}, more than --tolerance '
                 f'{args.tolerance:.1e}: {args.out} was not written')

    print(f'exporting one step: frame (N, {", ".join(map(str, shape[1:]))}), {batch}', flush=True)
    export_step(step, torch.zeros(shape), args.out, dynamic_batch=args.batch is None,
                metadata={'frame': '0 to 255, as the test pipeline gives it; normalised inside',
                          'output': 'class scores (softmax) of this frame',
                          'config': Path(args.config).name}, accept=check)
    print(f'wrote {args.out} ({args.out.stat().st_size / 1e6:.1f} MB)')


if __name__ == '__main__':
    main()
