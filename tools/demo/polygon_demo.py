"""Outline the objects in images: pictures of the outlines, and a file of them.

    python tools/demo/polygon_demo.py IMAGE [IMAGE ...] CONFIG CHECKPOINT --boxes x1,y1,x2,y2 [...]
    python tools/demo/polygon_demo.py IMAGE [IMAGE ...] CONFIG CHECKPOINT --boxes-file FILE
    python tools/demo/polygon_demo.py IMAGE [IMAGE ...] CONFIG CHECKPOINT --detector MMDET_CONFIG \\
        --detector-checkpoint FILE

Boxes are in pixels of the images. Images that cannot be outlined are named and left out.
"""
import argparse
import sys
from pathlib import Path
from typing import Any, List, Optional, Tuple

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
import cv2
import torch
from mmengine.config import Config, DictAction
from polygon_parts.boxes import FORMS, DetectedBoxes, SameBoxes, read_boxes

from cbm_plugin.engine.user_errors import explain_user_errors, fail, load_config
from cbm_plugin.files import write_whole
from cbm_plugin.polygon.annotation.drawing import draw_outlines
from cbm_plugin.polygon.annotation.export import FORMATS, export
from cbm_plugin.polygon.annotation.inferencer import PolygonInferencer
from cbm_plugin.polygon.annotation.predictions import ImageOutlines
from cbm_plugin.polygon.data.images import read_image
from cbm_plugin.progress import Progress


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('images', nargs='+', metavar='image', help='files')
    parser.add_argument('config', help='config file of a polygon model')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument('--boxes', nargs='+', type=four_numbers, metavar='x1,y1,x2,y2',
                        help='for every image')
    source.add_argument('--boxes-file', type=Path, metavar='FILE', help=f'json: {FORMS}')
    source.add_argument('--detector', metavar='MMDET_CONFIG', help='config of a detector of mmdet')
    parser.add_argument('--detector-checkpoint', metavar='FILE', help='its weights')
    parser.add_argument('--pred-score-thr', type=float, default=0.3,
                        help='leave out boxes of a lower score (default: 0.3)')
    parser.add_argument('--out', type=Path, default=Path('outlines'), metavar='DIR',
                        help='folder to write to (default: outlines)')
    parser.add_argument('--export', choices=FORMATS, default='coco',
                        help='format of the outlines (default: coco)')
    parser.add_argument('--batch-size', type=int, default=32,
                        help='boxes that pass the network together (default: 32)')
    parser.add_argument('--device', help='where to run (default: the GPU if there is one)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        help='change entries of the config: key=value, with dots for nested keys')
    args = parser.parse_args(argv)
    if bool(args.detector) != bool(args.detector_checkpoint):
        parser.error('--detector and --detector-checkpoint go together')
    args.device = args.device or ('cuda' if torch.cuda.is_available() else 'cpu')
    if args.device.startswith('cuda') and not torch.cuda.is_available():
        parser.error(f'--device is {args.device}, but PyTorch finds no GPU here: use --device cpu')
    names = [Path(image).stem for image in args.images]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        parser.error(f'two images are called {twice}: outline them in two runs with --out of their '
                     'own')
    return args


def four_numbers(text: str) -> Tuple[float, ...]:
    """A box of the command line."""
    try:
        x1, y1, x2, y2 = (float(value) for value in text.split(','))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' must be x1,y1,x2,y2, four numbers without blanks") from None
    return x1, y1, x2, y2


def load_inferencer(args: argparse.Namespace, cfg: Config) -> PolygonInferencer:
    """The model with its weights; whatever does not fit ends the program."""
    with explain_user_errors(cfg):
        try:
            return PolygonInferencer(cfg, args.checkpoint, args.device, args.batch_size)
        except (FileNotFoundError, ValueError) as error:
            fail(str(error))


def load_source(args: argparse.Namespace) -> Any:
    """What gives the boxes of an image."""
    try:
        if args.boxes:
            return SameBoxes(args.boxes)
        if args.boxes_file:
            return read_boxes(args.boxes_file, args.pred_score_thr)
        return DetectedBoxes(args.detector, args.detector_checkpoint, args.pred_score_thr,
                             args.device)
    except (FileNotFoundError, ImportError, ValueError) as error:
        fail(str(error))


def outline_image(path: str, inferencer: PolygonInferencer, source: Any,
                  out: Path) -> ImageOutlines:
    """Outline the objects of one image, and write its picture."""
    image = read_image(path)
    found = source(path)
    outlines = inferencer(path, found.boxes, found.labels)
    picture = cv2.imencode('.png', draw_outlines(image, outlines, source.classes))[1].tobytes()
    place = out / f'{Path(path).stem}_outlines.png'
    write_whole(place, lambda draft: draft.write_bytes(picture))
    print(f'{path}: {len(outlines)} outlines, {place}')
    return ImageOutlines(path, *image.shape[:2], outlines, found.image_id)


def run(args: argparse.Namespace, inferencer: PolygonInferencer,
        source: Any) -> Tuple[List[ImageOutlines], int, int]:
    """All images, or those until Ctrl-C: outlines, how many failed, and the exit code."""
    done: List[ImageOutlines] = []
    failed = 0
    progress = Progress('images', len(args.images))
    try:
        for number, path in enumerate(args.images, start=1):
            try:
                done.append(outline_image(path, inferencer, source, args.out))
            except (FileNotFoundError, ValueError) as error:
                failed += 1
                print(f'left out: {path}: {error}', file=sys.stderr)
            progress.update(number)
    except KeyboardInterrupt:
        return done, failed, 130
    return done, failed, 2 if failed else 0


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    inferencer, source = load_inferencer(args, cfg), load_source(args)
    done, failed, code = run(args, inferencer, source)
    if done:
        files = export(done, args.out, source.classes, args.export, source.category_ids)
        print(f'wrote {files[0]}' + (f' and {len(files) - 1} more' if len(files) > 1 else ''))
    if failed:
        print(f'error: {failed} of {len(args.images)} images could not be outlined',
              file=sys.stderr)
    if code:
        raise SystemExit(code)


if __name__ == '__main__':
    main()
