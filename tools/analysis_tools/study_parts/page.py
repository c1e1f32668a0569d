"""Files of a study: its report, and its section of docs/studies.md."""
from collections import Counter
from pathlib import Path
from typing import List, Sequence

from cbm_plugin.files import check_page, replace_between, write_text

from .definition import GENERATED, Study, choose
from .plot import draw, draw_along, draw_curves
from .report import as_csv, markdown, mixed, read_csv, table
from .statistics import Comparison, Verdict, verdict
from .store import DONE, Result


def markers(name: str) -> List[str]:
    """The comments around a study's section of the page."""
    return [f'<!-- study {name}: {word} -->' for word in ('begin', 'end')]


def write_report(study: Study, results: Sequence[Result], folder: Path) -> List[Path]:
    """``report.md``, ``runs.csv``, ``study.png`` and, where the study asks, ``along.png`` and
    ``curves.png``.

    Args:
        folder: made where it is missing.

    Returns:
        The files, in this order.
    """
    pictures = _pictures_of_tasks(study, results, folder / 'study.png', folder / 'along.png')
    if study.curves:
        pictures.append(folder / 'curves.png')
        draw_curves(study, results, pictures[-1])
    report, runs = folder / 'report.md', folder / 'runs.csv'
    write_text(runs, as_csv(results))
    write_text(report, f'# {study.name}\n\n{section(study, results, runs, pictures, folder)}')
    return [report, runs, *pictures]


def check_place(study: Study, page: Path, whole: Study) -> None:
    """See, before hours of training, that a study can be put on a page.

    Args:
        whole: the study with all its tasks.

    Raises:
        ValueError: its folder does not exist; it has half a place for the study; the study is the
            quick one, whose figures mean nothing; or it is cut to some seeds, and the page has
            more tasks, of all seeds.
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
    with_tasks_of(study, whole, kept_results(study, _runs_file(study, page)))


def publish(study: Study, results: Sequence[Result], page: Path, whole: Study) -> List[Path]:
    """Put the study on a page: its section, ``studies/NAME.csv`` and ``images/study_NAME*.png``.

    A page without a place for this study gets one at its end. Tasks that the page has and
    ``study`` does not stay as they were published.

    Args:
        whole: the study with all its tasks.

    Raises:
        ValueError: see :func:`check_place`; or results of a task are of different code or data.
    """
    check_place(study, page, whole)
    images, runs = page.parent / 'images', _runs_file(study, page)
    kept = kept_results(study, runs)
    study = with_tasks_of(study, whole, kept)
    results = [*results, *kept]
    if mixed(results):
        raise ValueError(f'{page} is left as it is. ' + ' '.join(mixed(results)).replace('**', ''))
    pictures = _pictures_of_tasks(study, results, images / f'study_{study.name}.png',
                                  images / f'study_{study.name}_along.png')
    if study.curves:
        pictures += _curves_of_tasks(study, results, images)
    write_text(runs, as_csv(results))
    begin, end = markers(study.name)
    text = page.read_text(encoding='utf-8') if page.exists() else ''
    if begin not in text:
        text = text.rstrip('\n') + '\n\n' if text.strip() else ''
        write_text(page, f'{text}## {study.name}\n\n{begin}\n{end}\n')
    replace_between(page, begin, end, section(study, results, runs, pictures, page.parent))
    return [page, runs, *pictures]


def _pictures_of_tasks(study: Study, results: Sequence[Result], metric: Path,
                       along: Path) -> List[Path]:
    """The pictures that show all tasks: of the metric, and of its course along a sequence."""
    draw(study, results, metric)
    if study.along is None:
        return [metric]
    draw_along(study, study.along, results, along)
    return [metric, along]


def _runs_file(study: Study, page: Path) -> Path:
    return page.parent / 'studies' / f'{study.name}.csv'


def kept_results(study: Study, runs: Path) -> List[Result]:
    """Published results of tasks that the study does not have; without their curves."""
    if not runs.exists():
        return []
    return [result for result in read_csv(runs.read_text(encoding='utf-8'))
            if result['task'] not in study.tasks]


def with_tasks_of(study: Study, whole: Study, kept: Sequence[Result]) -> Study:
    """The study with the tasks of kept results as well.

    Raises:
        ValueError: its seeds are chosen, which are not those of the kept results.
    """
    names = {result['task'] for result in kept} & set(whole.tasks)
    if not names:
        return study
    if '--seeds' in study.chosen:
        raise ValueError(f'the page has runs of {", ".join(sorted(names))}, of all their seeds: '
                         'leave --seeds out, and runs that are missing are counted as such')
    both = [name for name in whole.tasks if name in names or name in study.tasks]
    return choose(whole, None if len(both) == len(whole.tasks) else both)


def _curves_of_tasks(study: Study, results: Sequence[Result], images: Path) -> List[Path]:
    """A picture a task, drawn where there are curves; of a kept task it is there already."""
    pictures = []
    for task in study.tasks:
        picture = images / f'study_{study.name}_curves_{task}.png'
        if any(result.get('curves') for result in results if result['task'] == task):
            draw_curves(choose(study, [task]), results, picture)
        if picture.exists():
            pictures.append(picture)
    return pictures


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
