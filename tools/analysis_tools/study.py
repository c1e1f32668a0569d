"""Run a study: many short trainings, one table, one plot, one answer.

    python tools/analysis_tools/study.py configs/studies/NAME.py [--quick] [--page docs/studies.md]

What is missing is run, as processes of tools/train.py, and then reported: report.md, runs.csv and
pictures in the work dir. After any interruption the same command goes on. A result counts if it was
made by this code, these settings and these data; others are named, kept aside and run again. A run
that fails or diverges is recorded, shown in the table and never averaged in.

Several machines with a common file system share a study, a part each: in a Slurm array, under
torchrun, or with --shard I/N. When all are done, --report-only writes the report.

Real data are found by an environment variable for each task, or by --data-root.
"""
import argparse
import signal
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
from study_parts.definition import GENERATED, Study, StudyError, choose, read_study
from study_parts.page import check_place, publish, write_report
from study_parts.report import markdown
from study_parts.schedule import plan, run_missing, shard_of

from cbm_plugin.engine.termination import EXIT_CODE


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('study', type=Path, help='a file of configs/studies')
    parser.add_argument('--seeds', nargs='+', type=int, metavar='SEED',
                        help='the seeds themselves, such as 0 1 2, not how many (default: those of '
                        'each task)')
    parser.add_argument('--tasks', nargs='+', metavar='NAME', help='default: all')
    parser.add_argument('--quick', action='store_true',
                        help='one seed, few cells, few updates, generated data: that it works, not '
                        'what it gives')
    parser.add_argument('--data-root', nargs='+', default=[], metavar='[TASK=]DIR',
                        help='where the data of a task are; without a task, of the only one that '
                        'needs data')
    parser.add_argument('--work-dir', type=Path,
                        help='default: work_dirs/studies/NAME (quick: ..._quick)')
    parser.add_argument('--jobs', type=int, default=1, metavar='J',
                        help='trainings at a time, which share the cores (default: 1)')
    parser.add_argument('--shard', metavar='I/N',
                        help='run every N-th run from the I-th on, counted from 0, and report '
                        'nothing (default: as a Slurm array or torchrun says)')
    parser.add_argument('--retry-failed', action='store_true',
                        help='run again what has failed (not what has diverged)')
    parser.add_argument('--code', metavar='FINGERPRINT',
                        help='go on with the code of an earlier start, a copy of which is in the '
                        "work dir's folder code, though the project has changed since")
    parser.add_argument('--report-only', action='store_true', help='run nothing')
    parser.add_argument('--page', type=Path, metavar='FILE.md',
                        help='put the report on a page, with its runs as CSV and its pictures '
                        'beside it; tasks that are not among --tasks stay there as they are')
    args = parser.parse_args(argv)
    if args.jobs < 1:
        parser.error(f'--jobs is {args.jobs}, but must be at least 1')
    if args.work_dir is None:
        args.work_dir = Path('work_dirs/studies', args.study.stem + '_quick' * args.quick)
    return args


def data_roots(study: Study, given: List[str]) -> Dict[str, Path]:
    """Of ``--data-root``, by task.

    Raises:
        StudyError: it does not say of which task, or of one that needs none.
    """
    real = [name for name, task in study.tasks.items() if task.data != GENERATED]
    roots = {}
    for text in given:
        name, _, folder = text.partition('=') if text.split('=')[0] in study.tasks else \
            (real[0] if len(real) == 1 else None, '', text)
        if name not in real:
            raise StudyError(f'--data-root {text}: write TASK=DIR, TASK one of those that need '
                             f'data: {", ".join(real) or "none of this study does"}')
        roots[name] = Path(folder)
    return roots


def main(argv: Optional[List[str]] = None) -> None:
    """Exit code 2: a mistake of the user; 1: runs are left to do; 130, 143: interrupted."""
    args = parse_args(argv)
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_CODE))
    try:
        complete = _run_and_report(args)
    except StudyError as error:
        print(f'error: {error}', file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    finally:
        signal.signal(signal.SIGTERM, before)
    if not complete:
        raise SystemExit(1)


def _run_and_report(args: argparse.Namespace) -> bool:
    """Whether nothing is missing any more."""
    whole = read_study(args.study, args.quick)
    study = choose(whole, args.tasks, args.seeds)
    if args.page is not None:
        _on_page(check_place, study, args.page, whole)
    part, parts = (0, 1) if args.report_only else shard_of(args.shard)
    planned = plan(study, args.work_dir.absolute(), data_roots(study, args.data_root),
                   args.retry_failed, (part, parts), args.report_only, args.code)
    results = planned.results if args.report_only else run_missing(planned, args.jobs)
    left = len(planned.orders) - len(results)
    if left:
        print(f'{left} of {len(planned.orders)} runs are missing: the same command runs them',
              file=sys.stderr)
    if parts > 1:
        print(f'part {part} of {parts} is done; when all are, --report-only writes the report')
        return not left
    found = [results[order.run.folder] for order in planned.orders if order.run.folder in results]
    files = write_report(study, found, args.work_dir)
    if args.page is not None:
        files += _on_page(publish, study, found, args.page, whole)
    print(markdown(study, found))
    print('wrote ' + ', '.join(map(str, files)))
    return not left


def _on_page(do: Callable, *args: Any) -> Any:
    try:
        return do(*args)
    except ValueError as error:
        raise StudyError(f'--page: {error}') from error


if __name__ == '__main__':
    main()
