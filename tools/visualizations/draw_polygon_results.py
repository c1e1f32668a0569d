"""Draw the outlines of a trained model beside the annotated ones.

    python tools/visualizations/draw_polygon_results.py CONFIG CHECKPOINT --out results.jpg

Objects are taken at equal distances from the config's test data, in its order: none is picked.
Each shows the annotated outline, the predicted one, and their IoU.
"""
import argparse
from pathlib import Path
from typing import Iterator, List, Optional

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
import cv2
import torch
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate

from cbm_plugin.engine.user_errors import explain_user_errors, fail, load_config
from cbm_plugin.files import write_whole
from cbm_plugin.polygon.annotation.drawing import Example, contact_sheet
from cbm_plugin.polygon.annotation.inferencer import PolygonInferencer
from cbm_plugin.polygon.data.images import read_image
from cbm_plugin.progress import Progress
from cbm_plugin.registry import DATASETS


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file of a polygon model')
    parser.add_argument('checkpoint', help='checkpoint file or URL')
    parser.add_argument('--out', type=Path, required=True, help='picture to write, by its suffix')
    parser.add_argument('--number', type=int, default=24, help='of objects (default: %(default)s)')
    parser.add_argument('--columns', type=int, default=4, help='default: %(default)s')
    parser.add_argument('--cell', type=int, default=160, help='pixels (default: %(default)s)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        help='change entries of the config: key=value')
    args = parser.parse_args(argv)
    if min(args.number, args.columns) < 1 or args.cell < 64:
        parser.error(f'--number {args.number} and --columns {args.columns} must be at least 1, '
                     f'--cell {args.cell} at least 64')
    return args


def examples(cfg: Config, checkpoint: str, number: int) -> Iterator[Example]:
    """Objects at equal distances in the test data, with the model's outlines."""
    model = PolygonInferencer(cfg, checkpoint, 'cpu').model
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    number = min(number, len(dataset))
    progress = Progress('objects outlined', number)
    for done in range(number):
        data = model.data_preprocessor(pseudo_collate([dataset[done * len(dataset) // number]]))
        with torch.no_grad():
            sample, = model(data['inputs'], data['data_samples'], mode='predict')
        yield Example(read_image(sample.img_path), sample.parts, [sample.pred_polygon],
                      dataset.metainfo['classes'][sample.category], sample.category)
        progress.update(done + 1)


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    with explain_user_errors(cfg):
        try:
            shown = list(examples(cfg, args.checkpoint, args.number))
        except (FileNotFoundError, ValueError) as error:
            fail(str(error))
    sheet = contact_sheet(shown, args.columns, args.cell)
    write_whole(args.out, lambda draft: cv2.imwrite(str(draft), sheet))
    print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
