"""Twenty-four bad videos, each kind once in training and once in testing, in real runs."""
import pytest

from .videos import CASES, run


@pytest.fixture(scope='module')
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict:
    found = run(tmp_path_factory.mktemp('bad_videos'), tried=24, seed=0)
    return {outcome.case: outcome for outcome in found}


@pytest.mark.parametrize('case', CASES.values())
def test_no_bad_video_ends_a_run_and_each_that_fails_is_named_once(outcomes: dict,
                                                                   case: str) -> None:
    outcome = outcomes[case]
    assert (outcome.tried, outcome.survived, outcome.lost) == (12, 12, 0), outcome.remark


def test_the_share_of_failed_draws_is_told(outcomes: dict) -> None:
    remark = outcomes[CASES['recognition_train']].remark
    named, failed, drawn = (int(word) for word in remark.replace(',', '').split()
                            if word.isdigit())
    assert failed == 2 * named and drawn >= 2 * 24  # two epochs
