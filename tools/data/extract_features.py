"""Write what a backbone makes of each video: input for training recurrent layers alone.

    python tools/data/extract_features.py CONFIG CHECKPOINT OUT.npz --splits train test
    python tools/data/extract_features.py CONFIG none OUT_FOLDER --num-items 25

The backbone, its normalisation and the videos are those of CONFIG, ours or MMAction2's; all videos
go through the test pipeline. CHECKPOINT is a recognizer's, or ``none``: the weights that the config
names (``pretrained``). OUT.npz holds an array per video and their labels and splits; a folder
``NAME.npy`` per video and ``SPLIT_list.txt``. The data set ``FeatureSequences`` reads both. A run
that was interrupted goes on where it stopped.
"""
import argparse
import sys
from pathlib import Path
from typing import List, Optional

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
import numpy as np
import torch
from feature_extraction.output import Output
from feature_extraction.source import (
    build_datasets,
    build_model,
    features_of,
    samples_of,
    settings_of,
    test_pipeline,
    videos_of,
)
from mmengine.config import Config, DictAction
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

import cbm_plugin.recognition  # noqa: F401  (registers everything)
from cbm_plugin.engine.user_errors import explain_user_errors, fail, load_config
from cbm_plugin.progress import Progress
from cbm_plugin.recognition.feature_sequences import check_finite


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help="checkpoint file or URL, or 'none'")
    parser.add_argument('out', type=Path, help='OUT.npz, or a folder')
    parser.add_argument('--splits', nargs='+', choices=['train', 'val', 'test'],
                        default=['test'], help='whose videos (default: test)')
    sampling = parser.add_mutually_exclusive_group()
    sampling.add_argument('--num-items', type=int, metavar='N', help='N frames of each video')
    sampling.add_argument('--interval', type=int, metavar='N', help='every N-th frame')
    parser.add_argument('--maps', action='store_true',
                        help='keep feature maps (T, C, H, W); default: their mean (T, C)')
    parser.add_argument('--dtype', choices=['float16', 'float32'], default='float16')
    parser.add_argument('--skip-bad', action='store_true',
                        help='leave videos out that cannot be read')
    parser.add_argument('--chunk-len', type=int, default=64, metavar='N',
                        help='frames at once (default: %(default)s)')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--workers', type=int, default=2, metavar='N',
                        help='processes that decode (default: %(default)s; 0: none)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        help='change entries of the config: key=value')
    args = parser.parse_args(argv)
    for name, least in (('num_items', 1), ('interval', 1), ('chunk_len', 1), ('workers', 0)):
        value = getattr(args, name)
        if value is not None and value < least:
            parser.error(f"--{name.replace('_', '-')} is {value}, but must be at least {least}")
    return args


def extract(cfg: Config, args: argparse.Namespace) -> None:
    """Extract what is not there yet.

    Raises:
        ValueError, FileNotFoundError: the config, checkpoint or output does not fit, or a video
            cannot be read.
    """
    MMLogger.get_current_instance().setLevel('WARNING')  # else every weight is told
    init_default_scope('mmaction')
    pipeline = test_pipeline(cfg, args.num_items, args.interval)
    model = build_model(cfg, args.checkpoint).to(args.device)
    datasets = build_datasets(cfg, list(dict.fromkeys(args.splits)), pipeline)
    videos = videos_of(datasets)
    output = Output(args.out, settings_of(cfg, args.checkpoint, pipeline, args.maps, args.dtype))
    todo = [video for video in videos if not output.has(video)]
    print(f'{len(videos)} videos, {len(videos) - len(todo)} of them done before')
    failed, progress = 0, Progress('videos read', len(todo))
    for number, (video, frames, fault) in enumerate(
            samples_of(datasets, todo, args.workers), start=1):
        if fault:
            failed += 1
            print(f'left out: {video.name}: {fault}', file=sys.stderr)
        else:
            features = features_of(model, frames.to(args.device), args.chunk_len, args.maps)
            with np.errstate(over='ignore'):  # is refused in the next line
                values = features.numpy().astype(args.dtype)
            check_finite(values, np.arange(len(values)), video.name, f'--dtype {args.dtype}')
            output.put(video, values)
        progress.update(number)
    if failed and not args.skip_bad:
        raise ValueError(f'{failed} videos could not be read. Repair them and start again, which '
                         f'goes on from {output.folder}, or leave them out with --skip-bad')
    print(f'wrote {", ".join(map(str, output.finish(videos)))}')


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config)
    if args.cfg_options is not None:
        cfg.merge_from_dict(args.cfg_options)
    try:
        with explain_user_errors(cfg):
            extract(cfg, args)
    except (ValueError, FileNotFoundError) as error:
        fail(str(error))


if __name__ == '__main__':
    main()
