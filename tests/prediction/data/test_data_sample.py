"""What a sample carries from the pack to the metric."""
import pickle

import pytest
import torch

from cbm_plugin.overlap import ClipPlan
from cbm_plugin.prediction.data.data_sample import PredictionDataSample


def test_frames_and_metainfo_come_through_a_worker_process_unchanged() -> None:
    sample = PredictionDataSample(metainfo=dict(num_inputs=3, num_outputs=2, name='a', start=7))
    sample.pred_frames = torch.rand(2, 1, 4, 4)
    sample.clip_plan = ClipPlan.whole(4)
    found = pickle.loads(pickle.dumps(sample))
    assert found.metainfo == sample.metainfo and found.clip_plan == sample.clip_plan
    assert torch.equal(found.pred_frames, sample.pred_frames)


def test_moving_to_cpu_keeps_what_is_no_tensor() -> None:
    sample = PredictionDataSample(metainfo=dict(num_inputs=3))
    sample.clip_plan = ClipPlan.whole(4)
    assert sample.to('cpu').clip_plan == ClipPlan.whole(4)


def test_an_unknown_future_is_absent_not_empty() -> None:
    sample = PredictionDataSample(metainfo=dict(num_inputs=3, num_outputs=2))
    assert 'target_frames' not in sample
    with pytest.raises(AttributeError):
        _ = sample.target_frames
