"""What a study says of its runs: intervals, verdicts, tables, CSV, pictures and the page."""
import math
import re
import sys
from pathlib import Path
from typing import Any, Dict, Iterable, List, Sequence

import numpy as np
import pytest

from ..tiny_run import ROOT

sys.path.insert(0, str(ROOT / 'tools/analysis_tools'))

import study as study_tool  # noqa: E402
from study_parts import page as pages  # noqa: E402
from study_parts import plot, report  # noqa: E402
from study_parts.definition import (  # noqa: E402
    Along,
    Cell,
    Claim,
    Study,
    Task,
    choose,
    read_study,
)
from study_parts.statistics import compare, interval, verdict  # noqa: E402

Result = Dict[str, Any]
CELLS = ('deep', 'shallow')


def a_result(task: str, cell: str, seed: int, value: float = 0.5, **changes: Any) -> Result:
    """A finished run in the form of store.py."""
    return {**dict(
        study='asked', task=task, cell=cell, series='CBM', x={'deep': 15, 'shallow': 1}.get(cell),
        seed=seed, status='done', reason='', metrics={'acc/top1': value, 'acc/mean1': value / 3},
        curves=dict(val=[{'epoch': e, 'acc/top1': value * e / 2} for e in (1, 2)],
                    train=[dict(iter=i, epoch=1, loss=2 / i + seed) for i in (1, 2, 3)]),
        seconds=60.5 + seed, cpu_seconds=61.25, peak_memory=812.5, memory_of='resident, of all',
        parameters=12345, fingerprint=dict(code='c0', config=f'{cell}{seed}', data='d0'),
        options={'model.depth': [16] * 3, 'name': "it's, \"quoted\""}, machine='A CPU, 2 cores',
        amp=False), **changes}


def results_of(**values: Sequence[float]) -> List[Result]:
    """A run for each value, on the task 'clips'; the arguments name cells."""
    return [a_result('clips', cell, seed, value)
            for cell, of in values.items() for seed, value in enumerate(of)]


def a_study(better: str = 'higher', tasks: Iterable[str] = ('clips',), **changes: Any) -> Study:
    if not isinstance(tasks, dict):
        tasks = {name: Task(name, 'configs/x.py', 'acc/top1', better, chance=0.125,
                            seeds=(0, 1, 2), also=('acc/mean1',)) for name in tasks}
    return Study(**{**dict(
        name='asked', question='Is deeper better?', source='section 5', equal='updates',
        tasks=tasks,
        cells=tuple(Cell(name, 'CBM', x) for name, x in zip(CELLS, (15, 1))),
        claims=(Claim('Deeper is better', ('deep',), ('shallow',), published='56.2 -> 61.7'),),
        x_label='layers', curves=True), **changes})


def outcome(results: List[Result], **changes: Any) -> str:
    study = a_study(**changes)
    return verdict(study, study.claims[0], results).outcome


def publish(study: Study, results: List[Result], page: Path) -> List[Path]:
    """With all the tasks that the study has."""
    return pages.publish(study, results, page, study)


APART = dict(deep=(0.90, 0.91, 0.92), shallow=(0.50, 0.51, 0.52))
TOUCHING = dict(deep=(0.60, 0.90, 0.75), shallow=(0.50, 0.80, 0.65))
REVERSED = dict(deep=APART['shallow'], shallow=APART['deep'])


@pytest.mark.parametrize('count, t', [(2, 12.7062), (3, 4.3027), (5, 2.7764), (10, 2.2622)])
def test_the_interval_is_that_of_students_table(count: int, t: float) -> None:
    values = np.random.default_rng(count).normal(size=count)

    found = interval(list(values))

    assert found.mean == pytest.approx(values.sum() / count)
    spread = math.sqrt(((values - values.mean()) ** 2).sum() / (count - 1))
    assert found.half == pytest.approx(t * spread / math.sqrt(count), rel=1e-4)


def test_the_interval_holds_the_true_mean_in_95_of_100_draws_of_three_seeds() -> None:
    draws = np.random.default_rng(0).normal(7, 2, (2000, 3))

    held = sum(one.low <= 7 <= one.high for one in (interval(list(draw)) for draw in draws))

    assert abs(held / 2000 - 0.95) < 0.015  # three standard errors


def test_of_one_seed_no_spread_is_known() -> None:
    assert interval([0.5]).half == math.inf
    assert str(interval([0.5])) == '0.5 (one seed)'


@pytest.mark.parametrize('values', [[], [0.5, math.nan], [math.inf]])
def test_an_interval_of_nothing_or_of_what_is_no_number_is_refused(values: List[float]) -> None:
    with pytest.raises(ValueError, match='finite values'):
        interval(values)


def test_a_figure_has_as_many_digits_as_its_interval_gives_it() -> None:
    assert [str(interval(values)) for values in (
        [0.88, 0.90], [0.8831, 0.8832], [880, 900], [1, 1])] == [
            '0.89 +- 0.13', '0.88315 +- 0.00064', '890 +- 127', '1 +- 0']


@pytest.mark.parametrize('values, said', [
    (APART, 'holds'), (REVERSED, 'does not hold here'), (TOUCHING, 'undecided'),
    (dict(deep=(0.9,), shallow=(0.1,)), 'undecided'), (dict(deep=(0.9, 0.91)), 'no result')])
def test_a_claim_is_decided_only_by_intervals_that_do_not_touch(values: dict, said: str) -> None:
    assert outcome(results_of(**values)) == said


def test_where_all_runs_of_a_cell_diverged_a_claim_has_no_result_and_the_page_says_so() -> None:
    results = results_of(**APART)
    for result in results[:3]:
        result.update(status='diverged', metrics={})
    study = a_study()

    text = pages.claims_table([verdict(study, study.claims[0], results)])

    assert text.endswith('| **no result** | clips: no result of deep | 56.2 -> 61.7 |')


def test_what_a_seed_does_to_both_cells_is_not_in_their_difference() -> None:
    easy_and_hard = dict(deep=(0.91, 0.52, 0.73), shallow=(0.90, 0.50, 0.70))
    study = a_study()
    found = compare(study.tasks['clips'], 'deep', 'shallow', results_of(**easy_and_hard))
    assert found.outcome == 'undecided'  # by intervals as wide as the seeds lie apart
    assert found.difference.mean == pytest.approx(0.02)
    assert found.difference.half == pytest.approx(4.302653 * 0.01 / math.sqrt(3))
    assert pages.figure(found).endswith('; by seed 0.020 +- 0.025')


def test_only_seeds_that_both_cells_have_make_their_difference() -> None:
    results = results_of(deep=(0.9, 0.8, 0.7), shallow=(0.5, 0.4))
    found = compare(a_study().tasks['clips'], 'deep', 'shallow', results)
    assert found.difference.count == 2
    assert found.difference.mean == pytest.approx(0.4)


def test_of_an_error_the_lower_is_the_better() -> None:
    assert outcome(results_of(**APART), better='lower') == 'does not hold here'
    assert outcome(results_of(**REVERSED), better='lower') == 'holds'


@pytest.mark.parametrize('first, second, said', [
    (APART, APART, 'holds'), (APART, REVERSED, 'holds in part'), (APART, TOUCHING, 'holds in part'),
    (APART, {}, 'holds in part'), (TOUCHING, REVERSED, 'does not hold here'),
    (TOUCHING, {}, 'undecided')])
def test_a_claim_on_several_tasks_holds_if_it_does_on_all(
        first: dict, second: dict, said: str) -> None:
    others = [{**result, 'task': 'features'} for result in results_of(**second)]

    assert outcome(results_of(**first) + others, tasks=('clips', 'features')) == said


def test_a_claim_is_not_asked_of_tasks_and_cells_that_it_does_not_name() -> None:
    study = a_study(tasks=('clips', 'features', 'polygons'), cells=(
        Cell('deep'), Cell('shallow', tasks=('clips', 'features'))))
    of_one = Claim('Deeper', ('deep',), ('shallow',), tasks=('features',))

    assert [one.task.name for one in verdict(study, of_one, []).comparisons] == ['features']
    assert [one.task.name for one in verdict(study, study.claims[0], []).comparisons] == [
        'clips', 'features']


LOST = [dict(status='diverged', reason='loss is nan at iteration 7'),
        dict(status='failed', reason='out of memory', metrics={}),
        dict(metrics={'acc/mean1': 0.1}), dict(metrics={'acc/top1': math.nan})]


@pytest.mark.parametrize('change', LOST)
def test_a_run_that_diverged_failed_or_lacks_the_metric_is_named_and_never_averaged_in(
        change: Result) -> None:
    good = results_of(**APART)
    lost = a_result('clips', 'deep', 3, 0.01, **change)
    study = a_study()

    text = report.markdown(study, [*good, lost])

    assert verdict(study, study.claims[0], [*good, lost]).comparisons == \
        verdict(study, study.claims[0], good).comparisons
    named, = re.findall('- clips, deep, seed 3: (.*)', text)
    assert (change.get('reason') or 'acc/top1') in named
    assert re.search(r'\| deep \|.*\| 3 of 3 \|.*1 [^|]*\(seed 3\) \|', text)


def test_the_table_has_means_intervals_seeds_and_costs() -> None:
    rows = report.markdown(a_study(), results_of(**APART)).splitlines()

    assert '| cell | acc/top1 | acc/mean1 | seeds | parameters | seconds | CPU seconds | ' \
        'memory, MiB | not counted |' in rows
    assert '| deep | 0.910 +- 0.025 | 0.3033 +- 0.0083 | 3 of 3 | 12,345 | 61.5 | 61.2 | 812 |  |' \
        in rows


def test_cells_said_to_have_equal_parameters_show_how_equal_they_are() -> None:
    results = [{**result, 'parameters': {'deep': 1500, 'shallow': 1000}[result['cell']]}
               for result in results_of(**APART)]

    assert 'the largest is 1.50 times the smallest' in report.markdown(
        a_study(equal='parameters'), results)


def test_runs_in_csv_come_back_as_they_were() -> None:
    results = [*results_of(deep=(1 / 3, 0.1)),
               a_result('clips', 'shallow', 0, status='failed', reason='a, "b" | c', metrics={},
                        x=None, parameters=None, amp=True)]

    back = report.read_csv(report.as_csv(results))

    assert back == [{key: value for key, value in result.items() if key != 'curves'}
                    for result in results]


@pytest.mark.parametrize('part', ['code', 'data'])
def test_results_of_different_code_or_data_are_told_apart_and_not_published(
        part: str, tmp_path: Path) -> None:
    results = results_of(**APART)
    results[0]['fingerprint'][part] = 'other'

    assert f'of different {part}' in report.markdown(a_study(), results)
    with pytest.raises(ValueError, match=f'of different {part}.*run the study again'):
        publish(a_study(), results, tmp_path / 'studies.md')
    assert not list(tmp_path.iterdir())


def test_a_report_is_a_page_with_its_pictures_and_runs(tmp_path: Path) -> None:
    files = pages.write_report(a_study(), results_of(**APART), tmp_path)

    assert {file.name for file in files} == {file.name for file in tmp_path.iterdir()} == {
        'report.md', 'runs.csv', 'study.png', 'curves.png'}
    text = files[0].read_text(encoding='utf-8')
    assert '| Deeper is better | **holds** | clips, acc/top1: deep 0.910 +- 0.025 (3 seeds) ' \
        'against shallow 0.510 +- 0.025 (3 seeds); by seed 0.4 +- 0 | 56.2 -> 61.7 |' in text
    for link in re.findall(r'\]\((.*?)\)', text):
        assert (tmp_path / link).is_file()


def test_curves_show_each_seeds_mean_of_what_the_validations_report(tmp_path: Path) -> None:
    values = (0.90, 0.91, 0.95)
    results = results_of(deep=values)
    for result in results:
        result['curves']['val'] = [{'epoch': entry['epoch'], 'acc/other': entry['acc/top1']}
                                   for entry in result['curves']['val']]

    figure = plot.draw_curves(a_study(), results, tmp_path / 'curves.png')

    loss, metric = figure.axes
    assert metric.get_title() == 'clips: acc/other in validation'
    line, = metric.get_lines()
    assert line.get_xdata().tolist() == [1, 2]
    assert line.get_ydata() == pytest.approx([sum(values) / 6, sum(values) / 3])
    line, = loss.get_lines()
    assert line.get_ydata() == pytest.approx([2 / i + 1 for i in (1, 2, 3)])  # seeds 0, 1, 2


def test_along_a_sequence_each_chosen_cell_has_a_line_through_the_means_of_its_seeds(
        tmp_path: Path) -> None:
    results = results_of(deep=(0.8, 0.9), shallow=(0.5, 0.6))
    for result in results:
        value = result['metrics']['acc/top1']
        result['metrics'].update({'early/top1_100': value, 'early/top1_10': value / 2,
                                  'early/top1_at_all': 0.1})
    study = a_study(along=Along('early/top1_', ('deep',)))

    panel, = plot.draw_along(study, study.along, results, tmp_path / 'along.png').axes

    line, chance = panel.get_lines()
    assert line.get_label() == 'deep'
    assert line.get_xdata().tolist() == [10, 100]
    assert line.get_ydata() == pytest.approx([0.425, 0.85])
    assert chance.get_label() == 'chance'


def test_a_report_shows_the_metric_along_a_sequence_where_the_study_asks(tmp_path: Path) -> None:
    study = a_study(along=Along('early/top1_'))
    files = pages.write_report(study, results_of(**APART), tmp_path)
    assert tmp_path / 'along.png' in files
    assert '](along.png)' in files[0].read_text(encoding='utf-8')


def test_a_line_goes_through_the_means_of_its_series_and_lost_runs_leave_a_cross(
        tmp_path: Path) -> None:
    results = [*results_of(**APART), a_result('clips', 'deep', 3, status='diverged', metrics={})]

    axes, = plot.draw(a_study(), results, tmp_path / 'study.png').axes

    lines = {line.get_label(): line for line in axes.get_lines()}
    assert lines['CBM'].get_xydata().tolist() == [[1, pytest.approx(0.51)],
                                                  [15, pytest.approx(0.91)]]
    assert list(lines['runs not counted'].get_xdata()) == [15]
    band, = axes.collections
    assert band.get_datalim(axes.transData).intervaly == pytest.approx([0.51 - 0.02484,
                                                                        0.91 + 0.02484], abs=1e-4)


@pytest.mark.parametrize('results', [
    [], results_of(deep=(0.9,)), [a_result('clips', 'deep', 0, **change) for change in LOST]])
@pytest.mark.parametrize('x', [(15, 1), (None, None), (15, None)])
def test_a_study_that_is_not_finished_has_a_report_without_warnings(
        results: List[Result], x: tuple, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    cells = tuple(Cell(name, name, place) for name, place in zip(CELLS, x))
    tasks = ('clips',) if results else ('clips', 'b', 'c', 'd', 'e')

    pages.write_report(a_study(cells=cells, tasks=tasks), results, tmp_path)

    assert [str(warning.message) for warning in recwarn] == []


def test_every_study_has_its_place_on_the_page_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    page = tmp_path / 'studies.md'
    page.write_text('# Studies\n\nBy hand.\n', encoding='utf-8')
    publish(a_study(), results_of(**TOUCHING), page)
    publish(a_study(name='second'), results_of(**REVERSED), page)
    page.write_text(page.read_text(encoding='utf-8') + '\nAt the end.\n', encoding='utf-8')

    publish(a_study(), results_of(**APART), page)

    text = page.read_text(encoding='utf-8')
    assert re.findall(r'^#+ .*', text, re.M) == ['# Studies', '## asked', '## second']
    assert re.findall(r'\| \*\*(.*?)\*\* \|', text) == ['holds', 'does not hold here']
    assert text.startswith('# Studies\n\nBy hand.\n') and text.endswith('\nAt the end.\n')
    for link in re.findall(r'\]\((.*?)\)', text):
        assert (tmp_path / link).is_file()


def on_a_page_of_two_tasks(folder: Path, second: Sequence[Result], **choice: Any) -> Study:
    """The study, published of the task clips, and then of others of its tasks alone."""
    whole = a_study(tasks=('clips', 'features', 'polygons'))
    pages.publish(choose(whole, ['clips']), results_of(**APART), folder / 'studies.md', whole)
    pages.publish(choose(whole, ['features'], **choice), second, folder / 'studies.md', whole)
    return whole


def test_publishing_one_task_leaves_the_published_runs_of_the_others_on_the_page(
        tmp_path: Path) -> None:
    features = [dict(result, task='features') for result in results_of(**REVERSED)]

    whole = on_a_page_of_two_tasks(tmp_path, features)

    text = (tmp_path / 'studies.md').read_text(encoding='utf-8')
    assert 'study.py configs/studies/asked.py --tasks clips features\n' in text
    assert '**holds in part**' in text
    assert '- Runs: 12 of 12' in text
    pictures = re.findall(r'!\[.*\]\((.*)\)', text)
    assert [Path(one).name for one in pictures] == [
        'study_asked.png', 'study_asked_curves_clips.png', 'study_asked_curves_features.png']
    assert all((tmp_path / one).is_file() for one in pictures)
    pages.publish(whole, [*results_of(**TOUCHING), *features], tmp_path / 'studies.md', whole)
    text = (tmp_path / 'studies.md').read_text(encoding='utf-8')
    assert 'study.py configs/studies/asked.py\n' in text
    assert '- Runs: 12 of 18' in text  # those of clips are the new ones alone


def test_a_task_published_again_has_its_new_runs_alone(tmp_path: Path) -> None:
    whole = a_study(tasks=('clips', 'features'))
    for found in (APART, REVERSED):
        pages.publish(choose(whole, ['clips']), results_of(**found), tmp_path / 'studies.md', whole)

    runs = report.read_csv((tmp_path / 'studies/asked.csv').read_text(encoding='utf-8'))

    assert [run['metrics']['acc/top1'] for run in runs] == [
        *REVERSED['deep'], *REVERSED['shallow']]


def test_some_seeds_of_one_task_do_not_join_all_seeds_of_another_on_a_page(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='the page has runs of clips.*leave --seeds out'):
        on_a_page_of_two_tasks(tmp_path, [], seeds=[0])

    assert '--tasks clips\n' in (tmp_path / 'studies.md').read_text(encoding='utf-8')


def test_a_quick_study_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='leave --page or --quick out'):
        publish(a_study(quick=True), results_of(**APART), tmp_path / 'studies.md')


def test_a_study_cut_to_some_tasks_and_seeds_says_so_in_its_command() -> None:
    study = choose(a_study(tasks=('clips', 'features')), ['features'], [4, 7])

    assert pages.command(study) == ('python tools/analysis_tools/study.py configs/studies/asked.py '
                                    '--tasks features --seeds 4 7')


def test_where_data_are_needed_the_command_names_their_variable() -> None:
    task = Task('real', 'configs/x.py', 'acc/top1', data='FOLDER_OF_REAL')

    assert pages.command(a_study(tasks={'real': task})).startswith('FOLDER_OF_REAL=DIR python ')


def test_the_page_of_the_project_says_what_its_csv_files_say() -> None:
    page = ROOT / 'docs/studies.md'
    text = page.read_text(encoding='utf-8')
    for runs in sorted((ROOT / 'docs/studies').glob('*.csv')):
        begin, end = pages.markers(runs.stem)
        assert text.count(begin) == text.count(end) == 1
        found = text[text.index(begin) + len(begin):text.index(end)].strip()
        args = study_tool.parse_args(re.findall(r'python \S+study.py (.*)', found)[0].split())
        study = choose(read_study(ROOT / args.study), args.tasks, args.seeds)
        results = report.read_csv(runs.read_text(encoding='utf-8'))
        pictures = [page.parent / link for link in re.findall(r'!\[.*\]\((.*)\)', found)]

        assert found == pages.section(study, results, runs, pictures, page.parent).strip()


def test_every_study_of_the_project_has_its_place_on_the_page() -> None:
    text = (ROOT / 'docs/studies.md').read_text(encoding='utf-8')
    for file in sorted((ROOT / 'configs/studies').glob('*.py')):
        for marker in pages.markers(file.stem):
            assert text.count(marker) == 1
