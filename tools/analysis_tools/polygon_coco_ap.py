"""Mask AP of a polygon model that outlines what is in given boxes.

    python tools/analysis_tools/polygon_coco_ap.py CONFIG CHECKPOINT --ann-file FILE --images DIR
    python tools/analysis_tools/polygon_coco_ap.py ... --boxes results.bbox.json
    python tools/analysis_tools/polygon_coco_ap.py ... --detector MMDET_CONFIG \\
        --detector-checkpoint FILE

The boxes are the annotated ones, those of a COCO results file of any detector (image_id,
category_id, bbox, score), or what a detector of mmdet finds, whose classes are matched by name. AP
is that of mmdet's CocoMetric. Needs mmdet and pycocotools.
"""
import argparse
import json
from pathlib import Path
from typing import List, Optional, Tuple

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
import torch
from mmengine.config import DictAction

from cbm_plugin.engine.user_errors import explain_user_errors, fail, load_config
from cbm_plugin.files import write_text
from cbm_plugin.polygon.annotation.inferencer import PolygonInferencer
from cbm_plugin.polygon.data.coco_file import CocoFile
from cbm_plugin.polygon.evaluation.boxes import (
    Boxes,
    Detector,
    annotated_boxes,
    class_numbers,
    read_boxes,
)
from cbm_plugin.polygon.evaluation.detection import SCORES, BoxSource, mask_ap, outline_images


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of a polygon model')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    parser.add_argument('--ann-file', required=True, metavar='FILE',
                        help="annotations in COCO's format")
    parser.add_argument('--images', type=Path, required=True, metavar='DIR',
                        help='folder that file_name of the annotations starts from')
    source = parser.add_mutually_exclusive_group()
    source.add_argument('--boxes', default='gt', metavar='gt|FILE',
                        help='annotated boxes (gt, default), or a COCO results file of a detector')
    source.add_argument('--detector', metavar='MMDET_CONFIG', help='config of a detector of mmdet')
    parser.add_argument('--detector-checkpoint', metavar='FILE', help='its weights')
    parser.add_argument('--max-boxes', type=int, default=100, metavar='N',
                        help='of the highest scores in each image (default: 100, as COCO counts)')
    parser.add_argument('--score', choices=SCORES, default='product',
                        help='of an object: of its box times of its outline, or of its box alone '
                             '(default: product)')
    parser.add_argument('--cityscapes', action='store_true',
                        help="Cityscapes' own metric besides: DIR is .../leftImg8bit/SPLIT, beside "
                             '.../gtFine/SPLIT; needs cityscapesscripts')
    parser.add_argument('--out', type=Path, metavar='results.segm.json',
                        help='write the masks as a COCO results file')
    parser.add_argument('--batch-size', type=int, default=32,
                        help='boxes that pass the network together (default: 32)')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu',
                        help='where to run (default: the GPU if there is one)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        help='change entries of the config: key=value, with dots for nested keys')
    args = parser.parse_args(argv)
    if bool(args.detector) != bool(args.detector_checkpoint):
        parser.error('--detector and --detector-checkpoint go together')
    if args.max_boxes < 1:
        parser.error(f'--max-boxes is {args.max_boxes}, but must be at least 1')
    if args.device.startswith('cuda') and not torch.cuda.is_available():
        parser.error(f'--device is {args.device}, but PyTorch finds no GPU here: use --device cpu')
    return args


def box_source(args: argparse.Namespace, coco: CocoFile) -> Tuple[BoxSource, str]:
    """What gives the boxes of an image, and its name for the report."""
    if args.detector:
        detector = Detector(args.detector, args.detector_checkpoint, args.device)
        numbers = class_numbers(detector.classes, coco.classes)

        def detected(image: dict, path: str) -> Boxes:
            boxes = detector(path)
            boxes = boxes._replace(labels=numbers[boxes.labels])
            return boxes.chosen(boxes.labels >= 0)

        return detected, f'boxes of the detector {Path(args.detector).name}'
    if args.boxes == 'gt':
        found, name = annotated_boxes(coco), 'annotated boxes'
    else:
        found, name = read_boxes(args.boxes, coco), f'boxes of {Path(args.boxes).name}'
    none = Boxes.of_rows([])
    return lambda image, path: found.get(image['id'], none), name


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    with explain_user_errors(cfg):
        try:
            coco = CocoFile(args.ann_file)
            boxes_of, name = box_source(args, coco)
            inferencer = PolygonInferencer(cfg, args.checkpoint, args.device, args.batch_size)
            values, results = mask_ap(
                outline_images(inferencer, coco, args.images, boxes_of, args.max_boxes, args.score),
                coco, args.images if args.cityscapes else None)
        except (FileNotFoundError, ImportError, ValueError) as error:
            fail(str(error))
    if not values:
        fail(f'nothing was outlined in {len(coco.images)} images: there are no {name}')
    if args.out is not None:
        write_text(args.out, json.dumps(results) + '\n')
    print(f'{len(results)} outlines in {len(coco.images)} images, {name}, at most {args.max_boxes} '
          f'an image, score: {args.score}')
    for key, value in values.items():
        print(f'{key}: {value:.3f}')


if __name__ == '__main__':
    main()
