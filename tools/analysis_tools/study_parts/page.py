"""Files of a study: its report, and its section of docs/studies.md."""
from collections import Counter
from pathlib import Path
from typing import List, Sequence

from cbm_plugin.files import check_page, replace_between, write_text

from .definition import GENERATED, Study
from .plot import draw, draw_curves
from .report import as_csv, markdown, mixed, table
from .statistics import Comparison, Verdict, verdict
from .store import DONE, Result


def markers(name: str) -> List[str]:
    """The comments around a study's section of the page."""
    return [f'<!-- study {name}: {word} -->' for word in ('begin', 'end')]


def write_report(study: Study, results: Sequence[Result], folder: Path) -> List[Path]:
    """``report.md``, ``runs.csv``, ``study.png`` and, where the study asks, ``curves.png``.

    Args:
        folder: made where it is missing.

    Returns:
        The files, in this order.
    """
    pictures = _draw(study, results, folder / 'study.png', folder / 'curves.png')
    report, runs = folder / 'report.md', folder / 'runs.csv'
    write_text(runs, as_csv(results))
    write_text(report, f'# {study.name}\n\n{section(study, results, runs, pictures, folder)}')
    return [report, runs, *pictures]


def check_place(study: Study, page: Path) -> None:
    """See, before hours of training, that a study can be put on a page.

    Raises:
        ValueError: its folder does not exist, it has half a place for the study, or the study is
            the quick one, whose figures mean nothing.
    """
    if study.quick:
        raise ValueError(f'the quick form of {study.name} shows that it runs, and its figures mean '
                         'nothing: leave --page or --quick out')
    if not page.resolve().parent.is_dir():
        raise ValueError(f'the folder of {page} does not exist: create it first')
    begin, end = markers(study.name)
    if page.exists() and (begin in page.read_text(encoding='utf-8')
                          or end in page.read_text(encoding='utf-8')):
        check_page(page, begin, end)


def publish(study: Study, results: Sequence[Result], page: Path) -> List[Path]:
    """Put the study on a page: its section, ``studies/NAME.csv`` and ``images/study_NAME*.png``.

    A page without a place for this study gets one at its end.

    Raises:
        ValueError: see :func:`check_place`; or results of a task are of different code or data.
    """
    check_place(study, page)
    if mixed(results):
        raise ValueError(f'{page} is left as it is. ' + ' '.join(mixed(results)).replace('**', ''))
    images, runs = page.parent / 'images', page.parent / 'studies' / f'{study.name}.csv'
    pictures = _draw(study, results, images / f'study_{study.name}.png',
                     images / f'study_{study.name}_curves.png')
    write_text(runs, as_csv(results))
    begin, end = markers(study.name)
    text = page.read_text(encoding='utf-8') if page.exists() else ''
    if begin not in text:
        text = text.rstrip('\n') + '\n\n' if text.strip() else ''
        write_text(page, f'{text}## {study.name}\n\n{begin}\n{end}\n')
    replace_between(page, begin, end, section(study, results, runs, pictures, page.parent))
    return [page, runs, *pictures]


def section(study: Study, results: Sequence[Result], runs: Path, pictures: Sequence[Path],
            folder: Path) -> str:
    """What a page says of a study.

    Args:
        runs: the CSV file.
        pictures: shown.
        folder: of the page; links are seen from there.
    """
    parts = [f'{study.question} ({study.source})' if study.source else study.question]
    if study.claims:
        parts.append(claims_table([verdict(study, claim, results) for claim in study.claims]))
    parts += [f'```\n{command(study)}\n```', facts(study, results)]
    parts += [f'![{study.name}]({picture.relative_to(folder).as_posix()})' for picture in pictures]
    parts.append(markdown(study, results).rstrip('\n'))
    parts.append(f'All runs: [{runs.name}]({runs.relative_to(folder).as_posix()})')
    return '\n\n'.join(parts) + '\n'


def claims_table(verdicts: Sequence[Verdict]) -> str:
    """One line a claim: what became of it, the figures behind, what the paper has."""
    rows = [['claim', 'verdict', 'figures, with 95% intervals', 'published']]
    for one in verdicts:
        figures = [figure(comparison, len(one.comparisons)) for comparison in one.comparisons]
        rows.append([one.claim.text, f'**{one.outcome}**', '<br>'.join(figures) or '-',
                     one.claim.published or '-'])
    return table(rows)


def figure(comparison: Comparison, of: int = 1) -> str:
    """``features: CBM-15 0.88 +- 0.04 (5 seeds) against ...; by seed 0.070 +- 0.021``."""
    names = (comparison.better, comparison.worse)
    if None in comparison.sides:
        empty = [name for name, one in zip(names, comparison.sides) if one is None]
        return f'{comparison.task.name}: no result of {", ".join(empty)}'
    sides = [f'{name} {one}' + (f' ({one.count} seeds)' if one.count > 1 else '')
             for name, one in zip(names, comparison.sides)]
    text = f'{comparison.task.name}, {comparison.task.metric}: ' + ' against '.join(sides)
    if comparison.difference is not None and comparison.difference.count > 1:
        text += f'; by seed {comparison.difference}'
    return text if of == 1 else f'{text}: {comparison.outcome}'


def command(study: Study) -> str:
    """What repeats the study, for a reader who has the data elsewhere."""
    variables = {task.data: f'{task.data}=DIR' for task in study.tasks.values()
                 if task.data != GENERATED}
    return ' '.join([*variables.values(), 'python tools/analysis_tools/study.py',
                     f'configs/studies/{study.name}.py', *[study.chosen] * bool(study.chosen),
                     *['--quick'] * study.quick])


def facts(study: Study, results: Sequence[Result]) -> str:
    """Data, seeds, fingerprints, machine and time."""
    tasks = study.tasks.values()
    lines = [
        'Data: ' + '; '.join(f'{task.name}: ' + (task.data if task.data == GENERATED
                                                 else f'those in `{task.data}`')
                             for task in tasks),
        'Seeds: ' + '; '.join(f'{task.name}: {", ".join(map(str, task.seeds))}'
                              for task in tasks)]
    if results:
        machines = list(dict.fromkeys(str(result.get('machine')) for result in results))
        kinds = Counter(result['status'] for result in results)
        expected = sum(len(task.seeds) * len(study.cells_of(task.name)) for task in tasks)
        status = ', '.join(f'{number} {kind}' for kind, number in kinds.items() if kind != DONE)
        lines += [
            'Fingerprints: ' + '; '.join(_fingerprints(results)),
            'Machine: ' + '; '.join(machines),
            'Memory: ' + '; '.join(dict.fromkeys(str(result.get('memory_of'))
                                                 for result in results)),
            f'Runs: {len(results)} of {expected}' + (f' ({status})' if status else ''),
            'Total time: ' + _duration(sum(result['seconds'] or 0 for result in results))
            + ', of all cores '
            + _duration(sum(result['cpu_seconds'] or 0 for result in results))]
    return '\n'.join(f'- {line}' for line in lines)


def _fingerprints(results: Sequence[Result]) -> List[str]:
    """``features: code 0123456789, data 9876543210``."""
    return list(dict.fromkeys(
        f"{result['task']}: code {result['fingerprint'].get('code')}, "
        f"data {result['fingerprint'].get('data')}" for result in results))


def _duration(seconds: float) -> str:
    return f'{seconds / 60:.1f} min' if seconds < 7200 else f'{seconds / 3600:.1f} h'


def _draw(study: Study, results: Sequence[Result], main: Path, curves: Path) -> List[Path]:
    """The pictures, as far as there is something to show."""
    draw(study, results, main)
    if not study.curves:
        return [main]
    draw_curves(study, results, curves)
    return [main, curves]
