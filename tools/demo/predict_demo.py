"""Predict how a video goes on: a strip, an animation, and how right it is.

    python tools/demo/predict_demo.py VIDEO CONFIG CHECKPOINT [--start N] [--num-outputs 20]

The model sees the first frames from --start on, brought to the size and colour of the config's data
set, and predicts the next ones. Where the video goes on, they are compared with it; beyond its end
they are predicted all the same.
"""
import argparse
from pathlib import Path
from typing import List, Optional

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
import torch
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate
from predict_parts.window import Window, read_window
from torch import Tensor

from cbm_plugin.engine.checkpoints import load_exactly
from cbm_plugin.engine.inference import build_unloaded
from cbm_plugin.engine.user_errors import explain_user_errors, fail, load_config
from cbm_plugin.prediction import VideoPredictor
from cbm_plugin.prediction.evaluation.metric import DEFINITIONS
from cbm_plugin.prediction.pictures.animation import MAX_FPS, write_animation
from cbm_plugin.prediction.pictures.differences import KINDS
from cbm_plugin.prediction.pictures.sequence import PicturedSequence
from cbm_plugin.prediction.pictures.strips import write_strips

METRICS = ('psnr', 'ssim')


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('video', help='file')
    parser.add_argument('config', help='config file of a prediction model')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    parser.add_argument('--start', type=int, default=0, metavar='N',
                        help='first frame to see, from 0 (default: 0)')
    parser.add_argument('--num-inputs', type=int, metavar='N',
                        help='frames to see (default: as the config tests)')
    parser.add_argument('--num-outputs', type=int, metavar='N',
                        help='frames to predict (default: as the config tests)')
    parser.add_argument('--stride', type=int, metavar='S', help='take every S-th frame of the '
                        'video (default: as the config tests)')
    parser.add_argument('--difference', choices=KINDS, help='how differences are drawn (default: '
                        'signed for grey frames, absolute for colour)')
    parser.add_argument('--fps', type=float, default=5, help='of the animation (default: 5)')
    parser.add_argument('--out', type=Path, default=Path('predictions'), metavar='DIR',
                        help='folder to write to (default: predictions)')
    parser.add_argument('--device', help='where to run (default: the GPU if there is one)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        help='change entries of the config: key=value, with dots for nested keys')
    args = parser.parse_args(argv)
    for name, least in (('start', 0), ('num_inputs', 1), ('num_outputs', 1), ('stride', 1)):
        value = getattr(args, name)
        if value is not None and value < least:
            parser.error(f'--{name.replace("_", "-")} is {value}, but must be at least {least}')
    if not 0 < args.fps <= MAX_FPS:
        parser.error(f'--fps is {args.fps}, but must be above 0 and at most {MAX_FPS}')
    args.device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    if args.device.startswith('cuda') and not torch.cuda.is_available():
        parser.error(f'--device is {args.device}, but PyTorch finds no GPU here: use --device cpu')
    return args


def load_predictor(cfg: Config, checkpoint: str, device: str) -> VideoPredictor:
    """The model with its weights.

    Raises:
        FileNotFoundError, ValueError: see ``load_exactly``; or it is no ``VideoPredictor``.
    """
    model = build_unloaded(cfg)
    if not isinstance(model, VideoPredictor):
        raise ValueError(f"model.type is '{cfg.model.type}', but frames are predicted by a "
                         'VideoPredictor: use a config of configs/prediction')
    load_exactly(model, checkpoint, str(cfg.filename or 'the config'))
    return model.to(device).eval()


@torch.no_grad()
def predict(model: VideoPredictor, window: Window, name: str) -> PicturedSequence:
    """What was seen, what came as far as it is known, and what was predicted."""
    frames = model.data_preprocessor(pseudo_collate([window.packed]))['inputs']
    predicted = model.rollout(frames[:, :window.num_inputs], window.num_outputs)
    truth = frames[0, window.num_inputs:] if window.num_true else None
    return PicturedSequence(frames[0, :window.num_inputs], dict(prediction=predicted[0]), truth,
                            name)


def report(shown: PicturedSequence) -> None:
    """Print each step's metrics, beside those of repeating the last input."""
    if shown.truth is None:
        print(f'the video ends with the inputs: nothing to compare {shown.num_outputs} predicted '
              'frames with')
        return
    truth = torch.from_numpy(shown.truth)[None]
    predicted = torch.from_numpy(shown.predictions['prediction'])[None, :truth.shape[1]]
    copied = torch.from_numpy(shown.inputs)[None, -1:].expand_as(truth)
    columns = [values(name, frames, truth) for frames in (predicted, copied) for name in METRICS]
    print('              predicted   last input repeated\n'
          'step        PSNR    SSIM        PSNR    SSIM')
    rows = [*zip(*columns), [sum(column) / len(column) for column in columns]]
    for step, row in enumerate(rows, start=1):
        head = f'T{step}' if step < len(rows) else 'mean'
        print(f'{head:6}{row[0]:10.2f}{row[1]:8.4f}{row[2]:12.2f}{row[3]:8.4f}')
    if truth.shape[1] < shown.num_outputs:
        print(f'the video ends here: T{truth.shape[1] + 1} to T{shown.num_outputs} are predicted '
              'without truth')


def values(name: str, frames: Tensor, truth: Tensor) -> List[float]:
    """A metric of each step."""
    return DEFINITIONS[name].function(frames, truth)[0].tolist()


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    with explain_user_errors(cfg):
        try:
            model = load_predictor(cfg, args.checkpoint, args.device)
            window = read_window(args.video, cfg, args.start, args.num_inputs, args.num_outputs,
                                 args.stride)
            shown = predict(model, window, f'{Path(args.video).name}, from frame {args.start}')
            place = args.out / Path(args.video).stem
            strips, animation = Path(f'{place}_strips.png'), Path(f'{place}.gif')
            write_strips(strips, [shown], difference=args.difference)
            write_animation(animation, shown, args.fps, difference=args.difference)
            report(shown)
        except (OSError, ValueError) as error:
            fail(str(error))
    print(f'wrote {strips} and {animation}')


if __name__ == '__main__':
    main()
