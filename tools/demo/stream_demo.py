"""Recognise while the video runs: a file, a camera or a network stream.

    python tools/demo/stream_demo.py VIDEO|CAMERA|URL CONFIG CHECKPOINT [--out FILE] [--show]

Each frame passes the network once; the recurrent state carries what came before. The output shows
the best classes so far and their scores over time. Ctrl-C ends it, and what was written is kept.
"""
import argparse
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import ContextManager, List, Optional, Sequence, Tuple

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
import cv2
import numpy as np
import torch
from mmengine.config import Config, DictAction
from stream_parts.panel import Panel
from stream_parts.source import Source, SourceError
from stream_parts.video_file import VideoFile, VideoFileError

from cbm_plugin.engine.user_errors import explain_user_errors, fail, load_config
from cbm_plugin.progress import Progress
from cbm_plugin.recognition.streaming import StreamRecognizer
from cbm_plugin.registry import DATASETS

QUIT_KEYS = (27, ord('q'))


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('video', help='file, URL (rtsp://...), or number of a camera')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    parser.add_argument('--out', type=Path, metavar='FILE', help='video to write (.mp4, .avi)')
    parser.add_argument('--show', action='store_true', help='show it in a window; q ends')
    parser.add_argument(
        '--interval', type=int, metavar='K',
        help='feed every K-th frame (default: as the test pipeline samples)')
    parser.add_argument('--topk', type=int, default=5, help='classes to show (default: 5)')
    parser.add_argument('--labels', type=Path, metavar='FILE', help='names of the classes, a line '
                        'each (default: those of the data set, else numbers)')
    parser.add_argument(
        '--window', type=int, metavar='FRAMES',
        help='decide by the last so many fed frames (default: by all)')
    parser.add_argument('--device', default='cpu', help='where to run (default: cpu)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction,
        help='change entries of the config: key=value, with dots for nested keys')
    args = parser.parse_args(argv)
    if args.topk < 1:
        parser.error(f'--topk is {args.topk}, but must be at least 1')
    if args.show and not _has_display():
        parser.error('--show needs a display, and this machine shows none: use --out FILE')
    if args.device.startswith('cuda') and not torch.cuda.is_available():
        parser.error(f'--device is {args.device}, but PyTorch finds no GPU here: use --device cpu')
    if args.out is not None and args.out.resolve() == Path(args.video).resolve():
        parser.error(f'--out is {args.out}, the video itself: give another name')
    return args


def _has_display() -> bool:
    # OpenCV's window aborts the whole program where there is none
    return not sys.platform.startswith('linux') or bool(
        os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY'))


def load_stream(args: argparse.Namespace, cfg: Config) -> StreamRecognizer:
    """The recognizer with its weights; whatever does not fit ends the program."""
    with explain_user_errors(cfg):
        try:
            return StreamRecognizer.from_config(
                cfg, args.checkpoint, args.device, channel_order='bgr', window=args.window,
                frame_interval=args.interval)
        except (FileNotFoundError, ValueError) as error:
            fail(str(error))


def class_names(labels: Optional[Path], cfg: Config, classes: int) -> Sequence[str]:
    """Of the file, of the data set, or numbers."""
    if labels is None:
        kind = cfg.test_dataloader.dataset.get('type') if cfg.get('test_dataloader') else None
        known = getattr(DATASETS.get(kind) if kind else None, 'METAINFO', {}).get('classes', ())
        return known if len(known) == classes else [f'class {k}' for k in range(classes)]
    if not labels.is_file():
        fail(f'there is no file {labels} with the names of the classes: give one with a name on '
             'each line, or leave --labels out')
    names = [line.strip() for line in labels.read_text(encoding='utf-8').splitlines()
             if line.strip()]
    if len(names) != classes:
        fail(f'{labels} names {len(names)} classes, but the model has {classes}: give one name a '
             'line')
    return names


def run(source: Source, stream: StreamRecognizer, panel: Panel, out: Optional[VideoFile],
        show: bool) -> Tuple[Progress, str, int]:
    """Until the end, a key, Ctrl-C or a fault: the progress, what is wrong, and the exit code."""
    progress = Progress('frames', source.total)
    try:
        for frame in source:
            scores = stream(frame).numpy()
            if out is not None or show:
                picture = panel.draw(frame, scores)
            if out is not None:
                out.write(picture)
            if show:
                cv2.imshow('stream_demo', picture)
                if cv2.waitKey(1) & 0xFF in QUIT_KEYS:
                    break
            progress.update(source.count)
    except SourceError as error:
        return progress, str(error), 2
    except KeyboardInterrupt:
        return progress, f'interrupted after {source.count} frames', 130
    return progress, '', 0


def report(source: Source, progress: Progress, scores: Optional[np.ndarray],
           names: Sequence[str], topk: int) -> None:
    """How fast it was, and the decision."""
    seconds = progress.seconds
    print(f'{source.count} frames in {seconds:.1f} s: {source.count / seconds:.1f} frames/s')
    if source.shortfall and scores is not None:
        print(f'warning: the header of {source.name} promises {source.total} frames: the file may '
              'be cut off', file=sys.stderr)
    if scores is not None:
        for index in np.argsort(-scores, kind='stable')[:topk]:
            print(f'  {scores[index]:.4f}  {names[index]}')


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    stream = load_stream(args, cfg)
    names = class_names(args.labels, cfg, stream.model.cls_head.num_classes)
    try:
        source = Source(args.video)
        place: ContextManager = nullcontext() if args.out is None else VideoFile(
            args.out, source.fps)
        with place as out:
            progress, wrong, code = run(source, stream, Panel(names, args.topk, source.total), out,
                                        args.show)
    except (SourceError, VideoFileError) as error:
        fail(str(error))
    source.close()
    scores = None if stream.scores is None else stream.scores.numpy()
    report(source, progress, scores, names, args.topk)
    if args.out is not None and source.count:
        print(f'wrote {args.out}')
    if wrong:
        print(f'error: {wrong}', file=sys.stderr)
        raise SystemExit(code)


if __name__ == '__main__':
    main()
