"""Time the way from video files to packed clips against decord alone, and against clip by clip.

    python tools/analysis_tools/benchmark_data.py --json data.json

Generated mp4 files go through loaders with 2 workers each, all in this run, in turns:

decord     decord alone decodes the frames that the clips need, once, in order, and drops them
fused      ours: decoded once, cropped, resized and flipped by DecordDecodeFused, packed, delivered
separate   the same pixels from DecordDecode and MMAction2's transforms, one after another
each clip  as fused, but each clip is decoded by itself, shared frames again

each for the authors' fixed-stride clips (``authors``) and for random clips of neighbouring frames
(``random``). ``fused / decord`` says what is lost on the way, ``fused / each clip`` what decoding
once gains, beside the factor of the frames that it saves.
"""
import argparse
import json
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import cv2
import torch
from data_benchmark.contenders import CROP, SAMPLERS, frames_wanted, way_of
from data_benchmark.measure import WORKERS, in_turns, ratio, stages
from data_benchmark.videos import make_videos
from layer_benchmark.report import machine_facts

import cbm_plugin.recognition  # noqa: F401  (registers our transforms)
from cbm_plugin.files import check_page, replace_between, write_text

MARKERS = [f'<!-- benchmark_data: {word} -->' for word in ('begin', 'end')]
WAYS = ('decord', 'fused', 'separate', 'each clip')
RATIOS = (('fused', 'decord'), ('separate', 'decord'), ('fused', 'each clip'))


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--videos', type=int, default=32, metavar='N', help='files to generate')
    parser.add_argument('--rounds', type=int, default=9, metavar='N', help='passes of each way')
    parser.add_argument('--size', type=int, nargs=2, default=(340, 256), metavar=('W', 'H'))
    parser.add_argument('--frames', type=int, nargs=2, default=(150, 300), metavar=('MIN', 'MAX'))
    parser.add_argument('--quick', action='store_true',
                        help='4 small videos, 2 rounds: that it works, within seconds')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all that was measured')
    parser.add_argument('--markdown', type=Path, metavar='FILE',
                        help='put the tables between the marker comments of a page')
    args = parser.parse_args(argv)
    for name in ('videos', 'rounds'):
        if getattr(args, name) < 1:
            parser.error(f'--{name} is {getattr(args, name)}, but must be at least 1')
    if not 1 <= args.frames[0] <= args.frames[1]:
        parser.error(f'--frames {args.frames[0]} {args.frames[1]}: give 1 <= MIN <= MAX')
    if min(args.size) < 32:
        parser.error(f'--size {args.size[0]} {args.size[1]}: decord needs at least 32 pixels')
    for file in (args.json, args.markdown):
        if file is not None and not file.parent.is_dir():
            parser.error(f'the folder of {file} does not exist: create it first')
    if args.markdown is not None:
        try:
            check_page(args.markdown, *MARKERS)
        except ValueError as error:
            parser.error(str(error))
    if args.quick:
        args.videos, args.rounds, args.size, args.frames = 4, 2, (96, 80), (30, 40)
    return args


def measure(args: argparse.Namespace) -> Dict[str, Any]:
    """All rows, ratios and stages."""
    machine = machine_facts(torch.device('cpu'))
    crop = (64, 64) if args.quick else CROP
    cv2.setNumThreads(0)  # as in MMEngine's workers
    with tempfile.TemporaryDirectory() as folder:
        paths = make_videos(Path(folder), args.videos, tuple(args.size), tuple(args.frames))
        made_bytes = sum(path.stat().st_size for path in paths)
        seconds = in_turns({f'{way}, {sampler}': way_of(paths, way, sampler, crop)
                            for sampler in SAMPLERS for way in WAYS}, args.rounds)
        wanted = {sampler: frames_wanted(paths, sampler) for sampler in SAMPLERS}
        parts = [dict(sampler=sampler, way=way, milliseconds=stages(
            paths, way, sampler, crop, min(3, args.rounds)))
            for sampler in SAMPLERS for way in ('fused', 'separate')]
    settings = dict(
        command=command_line(args), videos=args.videos, rounds=args.rounds, size=list(args.size),
        frames=list(args.frames), crop=list(crop), workers=WORKERS, codec='mp4v',
        bytes_per_video=made_bytes // args.videos)
    return dict(machine=machine, settings=settings, stages=parts,
                rows=rows_of(seconds, wanted, args.videos), ratios=ratios_of(seconds, wanted))


def command_line(args: argparse.Namespace) -> str:
    words = ['python tools/analysis_tools/benchmark_data.py']
    if args.quick:
        return ' '.join([*words, '--quick'])
    return ' '.join([*words, f'--videos {args.videos} --rounds {args.rounds}'])


def rows_of(seconds: Dict[str, List[float]], wanted: Dict[str, Tuple[int, int]],
            videos: int) -> List[dict]:
    """One row for each way and sampler, from the passes as they were."""
    return [dict(sampler=sampler, way=way, frames=wanted[sampler][way != 'each clip'],
                 seconds=seconds[f'{way}, {sampler}'],
                 videos_per_second=videos / sorted(seconds[f'{way}, {sampler}'])[
                     len(seconds[f'{way}, {sampler}']) // 2])
            for sampler in SAMPLERS for way in WAYS]


def ratios_of(seconds: Dict[str, List[float]], wanted: Dict[str, Tuple[int, int]]) -> List[dict]:
    """Speeds over each other; beside ``each clip`` what the saved frames allow."""
    rows = []
    for sampler in SAMPLERS:
        for fast, slow in RATIOS:
            middle, low, high = ratio(seconds[f'{fast}, {sampler}'], seconds[f'{slow}, {sampler}'])
            allowed = wanted[sampler][0] / wanted[sampler][1] if slow == 'each clip' else None
            rows.append(dict(sampler=sampler, ratio=f'{fast} / {slow}', median=middle, min=low,
                             max=high, saved_frames_allow=allowed))
    return rows


def markdown(report: Dict[str, Any]) -> str:
    """The tables, and what they hang on."""
    machine, settings = report['machine'], report['settings']
    lines = [f"{machine['cpu']}, {machine['cores']} cores, torch {machine['torch']}; "
             f"{settings['videos']} videos of {settings['size'][0]}x{settings['size'][1]}, "
             f"{settings['frames'][0]} to {settings['frames'][1]} frames, {settings['codec']}, "
             f"{settings['bytes_per_video'] // 1000} kB each; crops of {settings['crop'][0]}; "
             f"{settings['workers']} workers; medians of {settings['rounds']} rounds", '',
             '```', settings['command'], '```', '',
             '| clips | way | frames decoded | videos / s |', '|---|---|---|---|']
    lines += [f"| {row['sampler']} | {row['way']} | {row['frames']} | "
              f"{row['videos_per_second']:.1f} |" for row in report['rows']]
    lines += ['', '| clips | speed | ratio (min to max) | the saved frames allow |',
              '|---|---|---|---|']
    for row in report['ratios']:
        allowed = row['saved_frames_allow']
        lines.append(f"| {row['sampler']} | {row['ratio']} | {row['median']:.2f} "
                     f"({row['min']:.2f} to {row['max']:.2f}) | "
                     f"{'' if allowed is None else format(allowed, '.2f')} |")
    lines += ['', '| clips | way | ms a video, one process |', '|---|---|---|']
    lines += [f"| {part['sampler']} | {part['way']} | " + ', '.join(
        f'{name} {value:.1f}' for name, value in part['milliseconds'].items()) + ' |'
        for part in report['stages']]
    return '\n'.join(lines) + '\n'


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    report = measure(args)
    print(markdown(report))
    if args.json is not None:
        text = json.dumps(report, indent=1) + '\n'
        write_text(args.json, text)
    if args.markdown is not None:
        replace_between(args.markdown, *MARKERS, markdown(report))


if __name__ == '__main__':
    main()
