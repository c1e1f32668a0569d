"""Cross-validate a polygon model over the images of one COCO-format file.

    python tools/analysis_tools/polygon_folds.py CONFIG ANN_FILE IMAGES [--load-from FILE]

The images are parted by a seed; each fold is trained on the others and tested on itself, and the
IoU is that of all objects together. What is finished is not run again. The table is printed and
written to WORK_DIR/folds.md.
"""
import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Dict, List, Optional

import numpy as np

from cbm_plugin.files import write_text
from cbm_plugin.progress import Progress

TRAIN = Path(__file__).parents[1] / 'train.py'


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='whose annotations come from TRAIN_ANN and TEST_ANN')
    parser.add_argument('ann_file', type=Path, help="in COCO's format")
    parser.add_argument('images', type=Path, help='their folder')
    parser.add_argument('--folds', type=int, default=5)
    parser.add_argument('--seed', type=int, default=0, help='parts the images, and trains')
    parser.add_argument('--load-from', type=Path, help='weights to start from (default: none)')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/polygon_folds'))
    parser.add_argument('--cfg-options', nargs='+', default=[], help='handed on to train.py')
    args = parser.parse_args(argv)
    for path in (args.ann_file, args.images, *([args.load_from] if args.load_from else [])):
        if not path.exists():
            parser.error(f'{path} does not exist')
    return args


def parted(content: dict, folds: int, seed: int) -> List[Dict[str, dict]]:
    """Training and test annotations of each fold, by the names 'train' and 'test'.

    Raises:
        ValueError: there are fewer images than folds, or fewer than two folds.
    """
    images = sorted(image['id'] for image in content['images'])
    if not 2 <= folds <= len(images):
        raise ValueError(f'--folds is {folds}, but must lie between 2 and the number of images, '
                         f'{len(images)}')
    order = np.random.default_rng(seed).permutation(len(images))
    tested = [{images[place] for place in order[fold::folds]} for fold in range(folds)]
    return [{'train': _only(content, set(images) - some), 'test': _only(content, some)}
            for some in tested]


def _only(content: dict, images: set) -> dict:
    return dict(content, images=[image for image in content['images'] if image['id'] in images],
                annotations=[one for one in content['annotations'] if one['image_id'] in images])


def train(args: argparse.Namespace, fold: Dict[str, dict], folder: Path) -> None:
    """Train and test one fold in a process of its own; its output goes to a file."""
    for name, content in fold.items():
        write_text(folder / f'{name}.json', json.dumps(content))
    environment = dict(
        os.environ, IMAGES=str(args.images.resolve()),
        **{f'{name.upper()}_ANN': str((folder / f'{name}.json').resolve()) for name in fold})
    options = [*args.cfg_options, f'test_evaluator.out_file={folder / "scores.json"}']
    if args.load_from:
        options.append(f'load_from={args.load_from.resolve()}')
    with open(folder / 'output.txt', 'w') as output:
        done = subprocess.run(
            [sys.executable, str(TRAIN), args.config, '--work-dir', str(folder), '--seed',
             str(args.seed), '--cfg-options', *options],
            env=environment, stdout=output, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        last = (folder / 'output.txt').read_text().strip().splitlines()[-1]
        sys.exit(f'{folder.name} failed: {last}\nAll of its output: {folder}/output.txt')


def table(scores: List[dict], names: List[str]) -> str:
    """Markdown: IoU and boundary F of each class and over all, in percent."""
    by_class = defaultdict(list)
    for score in scores:
        by_class[score['category']].append((score['iou'], score['boundary_f']))
    means = {category: np.mean(values, axis=0) for category, values in by_class.items()}
    rows = [(names[category], len(by_class[category]), means[category])
            for category in sorted(means)]
    everything = [pair for values in by_class.values() for pair in values]
    rows += [('mean over objects', len(everything), np.mean(everything, axis=0)),
             ('mean over classes', len(everything), np.mean(list(means.values()), axis=0))]
    lines = ['| | objects | IoU | boundary F |', '|---|---|---|---|']
    lines += [f'| {name} | {number} | {100 * iou:.1f} | {100 * f:.1f} |'
              for name, number, (iou, f) in rows]
    return '\n'.join(lines) + '\n'


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    content = json.loads(args.ann_file.read_text(encoding='utf-8'))
    try:
        folds = parted(content, args.folds, args.seed)
    except ValueError as error:
        sys.exit(str(error))
    progress, scores = Progress('folds', len(folds)), []
    for number, fold in enumerate(folds):
        folder = args.work_dir / f'fold{number}'
        if not (folder / 'scores.json').exists():
            train(args, fold, folder)
        scores += json.loads((folder / 'scores.json').read_text())['instances']
        progress.update(number + 1)
    categories = sorted(content['categories'], key=lambda category: category['id'])
    text = table(scores, [category['name'] for category in categories])
    write_text(args.work_dir / 'folds.md', text)
    print(text)


if __name__ == '__main__':
    main()
