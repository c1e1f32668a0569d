"""Make a checkpoint of ours out of one of the paper authors' published PyTorch files.

    python tools/convert/convert_authors_checkpoint.py {backbone|standalone|polygon} IN OUT

Every weight is accounted for, or nothing is written. Nothing in the file is run. docs/convert.md
says which config the result fits.
"""
import argparse
import json
from functools import partial
from pathlib import Path
from typing import List, Optional

import cbm_plugin  # noqa: F401  allows what MMEngine's checkpoints hold, and nothing more

# isort: split
import torch
from authors import KINDS, Weights, backbone, likely_kind
from authors.files import read
from authors.mapping import ConversionError, convert

from cbm_plugin.engine.user_errors import fail
from cbm_plugin.files import write_text, write_whole


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Make a checkpoint of ours out of one of the paper authors' published files")
    parser.add_argument('kind', choices=sorted(KINDS), help='which of their models it is')
    parser.add_argument('source', type=Path, metavar='IN', help='their file')
    parser.add_argument('out', type=Path, metavar='OUT', help='checkpoint to write')
    parser.add_argument('--report', type=Path, metavar='FILE.json',
                        help='write what became of every key of theirs')
    parser.add_argument('--without-backbone', action='store_true',
                        help='backbone: the file holds no vgg.*, only the stack and the classifier')
    args = parser.parse_args(argv)
    if args.without_backbone and args.kind != 'backbone':
        parser.error(f'--without-backbone goes with backbone, not with {args.kind}')
    paths = [path.resolve() for path in (args.source, args.out, args.report) if path is not None]
    if len(set(paths)) != len(paths):
        parser.error('IN, OUT and --report must be different files')
    return args


def explain(kind: str, weights: Weights) -> str:
    """What the file likely is, as the end of a message."""
    likely = likely_kind(weights)
    if likely not in (None, kind):
        return f'. It looks like the {likely} model: try {likely} in place of {kind}'
    if kind == 'backbone' and likely is None and 'RNN.0.conv_data.0.weight' in weights:
        return '. If it holds the stack and the classifier alone, add --without-backbone'
    return ''


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    if not args.source.is_file():
        fail(f'there is no file {args.source}')
    weights: Weights = {}
    try:
        weights, dropped = read(args.source)
        kind = KINDS[args.kind]
        table = partial(backbone.table, vgg=False) if args.without_backbone else kind.table
        state_dict, rows = convert(table(weights), weights)
    except ConversionError as error:
        fail(f'{args.source}: {error}{explain(args.kind, weights)}')
    notes = kind.notes(weights)
    report = dict(kind=args.kind, source=args.source.name, keys=rows, dropped=dropped, notes=notes)
    meta = dict(converted_from=dict(kind=args.kind, source=args.source.name, notes=notes))
    text = json.dumps(report, indent=1) + '\n'
    try:
        if args.report is not None:
            write_text(args.report, text)
        write_whole(args.out,
                    lambda draft: torch.save(dict(meta=meta, state_dict=state_dict), draft))
    except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError
        fail(f'cannot write: {error}')
    print(f'{len(rows)} keys of theirs became {len(state_dict)} of ours')
    for row in dropped:
        print(f'dropped {row["theirs"]}: {row["why"]}')
    for note in notes:
        print(f'note: {note}')
    print(f'wrote {args.out} ({args.out.stat().st_size / 1e6:.1f} MB)')


if __name__ == '__main__':
    main()
