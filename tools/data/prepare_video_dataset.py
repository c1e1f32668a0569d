"""Make the list files of a video data set, after checking that everything in them is there.

    python tools/data/prepare_video_dataset.py ucf101 --videos data/ucf101/videos \\
        --annotations data/ucf101/annotations --out data/ucf101
    python tools/data/prepare_video_dataset.py folder --videos DIR --out DIR --ratios 0.8 0.2

Data sets: ``ucf101`` and ``hmdb51`` (three official splits), ``kinetics400`` (csv), and ``folder``:
one's own, with a sub-folder for each class. Every video is opened. Where one is missing or cannot
be decoded, nothing is written, unless --skip-bad leaves it out. Lists are MMAction2's: lines
``path label``, or with --raw-frames ``path frames label``.
"""
import argparse
import sys
from pathlib import Path
from typing import Dict, List, Optional

from video_dataset.checks import check_lists, some
from video_dataset.inspect_videos import Video, inspect_all, inspector
from video_dataset.lists import (
    ListError,
    Lists,
    VideoFolder,
    read_hmdb51,
    read_kinetics400,
    read_ucf101,
    split_folder,
)
from video_dataset.output import as_json, list_name, list_text, make_report, summary, write_all

OFFICIAL = {'ucf101': read_ucf101, 'hmdb51': read_hmdb51, 'kinetics400': read_kinetics400}


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument('--videos', type=Path, required=True, help='folder of the videos')
    common.add_argument('--out', type=Path, required=True, help='folder to write the lists to')
    common.add_argument('--raw-frames', action='store_true',
                        help='each video is a folder of images')
    common.add_argument('--filename-tmpl', default='img_{:05}.jpg', metavar='TEMPLATE',
                        help="names of the images, from 1 on (default: %(default)s, MMAction2's)")
    common.add_argument('--skip-bad', action='store_true',
                        help='leave missing and undecodable videos out; the report names them')
    common.add_argument('--workers', type=int, default=2, metavar='N',
                        help='processes that open videos; 0: this one (default: %(default)s)')
    datasets = parser.add_subparsers(dest='dataset', required=True, metavar='DATASET')
    for name in OFFICIAL:
        official = datasets.add_parser(name, parents=[common], help='by its official lists')
        official.add_argument('--annotations', type=Path, required=True,
                              help='folder of the official lists')
    folder = datasets.add_parser('folder', parents=[common], help='a sub-folder for each class')
    folder.add_argument('--ratios', type=float, nargs='+', default=[0.8, 0.2], metavar='R',
                        help='shares of train, val and, if wanted, test (default: 0.8 0.2)')
    folder.add_argument('--seed', type=int, default=0, help='of the split (default: 0)')
    args = parser.parse_args(argv)
    if args.workers < 0:
        parser.error(f'--workers is {args.workers}, but must be at least 0')
    if args.raw_frames and args.filename_tmpl.count('{') != 1:
        parser.error(f"--filename-tmpl '{args.filename_tmpl}' needs one number, as img_{{:05}}.jpg")
    return args


def read_lists(args: argparse.Namespace, folder: VideoFolder) -> Lists:
    """What the annotation, or the folder itself, says."""
    if args.dataset == 'folder':
        return split_folder(folder, args.ratios, args.seed)
    return OFFICIAL[args.dataset](args.annotations, folder)


def without(lists: Lists, videos: Dict[str, Video]) -> Lists:
    """The lists without the videos that have a fault."""
    return lists._replace(splits=[
        split._replace(items=[item for item in split.items if not videos[item.path].fault])
        for split in lists.splits])


def refuse(names: List[str], what: str) -> None:
    """End with the names of what is missing or broken, if there is any.

    Raises:
        ListError: there is.
    """
    if names:
        raise ListError(f'{len(names)} videos {what}: {some(names, 10)}. Get them again, or leave '
                        'them out with --skip-bad')


def checked(dataset: str, lists: Lists) -> List[str]:
    """Warnings about the lists.

    Raises:
        ListError: there are errors.
    """
    findings = check_lists(dataset, lists)
    if findings.errors:
        raise ListError('; '.join(findings.errors))
    return findings.warnings


def prepare(args: argparse.Namespace) -> dict:
    """Read, check and write.

    Returns:
        The report.

    Raises:
        ListError: something is wrong; nothing was written.
    """
    folder = VideoFolder(args.videos, args.raw_frames)
    lists = read_lists(args, folder)
    if not args.skip_bad:
        refuse(sorted(set(lists.missing)), 'of the lists are missing')
    checked(args.dataset, lists)  # before opening thousands of videos
    paths = sorted({item.path for split in lists.splits for item in split.items})
    look = inspector(args.videos, args.filename_tmpl if args.raw_frames else '')
    videos = inspect_all(paths, look, args.workers)
    if not args.skip_bad:
        refuse([f'{path} ({video.fault})' for path, video in videos.items() if video.fault],
               'cannot be decoded')
    lists = without(lists, videos)
    warnings = checked(args.dataset, lists)
    report = make_report(args.dataset, lists, videos, warnings, len(folder.paths - set(paths)))
    kind = 'rawframes' if args.raw_frames else 'videos'
    texts = {list_name(args.dataset, split, kind): list_text(split, videos, args.raw_frames)
             for split in lists.splits}
    texts['class_names.txt'] = ''.join(f'{name}\n' for name in lists.classes)
    texts[f'{args.dataset}_report.json'] = as_json(report)
    write_all(args.out, texts)
    print(summary(report))
    print(f'wrote {", ".join(texts)} in {args.out}')
    return report


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    try:
        prepare(args)
    except ListError as error:
        print(f'error: {error}', file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == '__main__':
    main()
