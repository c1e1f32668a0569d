"""What is no sequence of frames is refused before anything is drawn."""
import numpy as np
import pytest
import torch

from cbm_plugin.prediction.data.data_sample import PredictionDataSample
from cbm_plugin.prediction.pictures.sequence import PicturedSequence, frame_of

from .sequences import plain

TWO = plain([0.1, 0.2])


@pytest.mark.parametrize('inputs, predictions, truth, said', [
    (TWO[:0], dict(a=TWO), None, 'got 0 inputs and 2 predicted steps'),
    (TWO, {}, None, '2 inputs and 0 predicted steps'),
    (TWO[0], dict(a=TWO), None, r'inputs must be \(steps, C, H, W\).*got \(1, 8, 12\)'),
    (TWO, dict(a=plain([0.1], channels=3)), None, r"predictions of 'a'.*\(3, 8, 12\), the inputs"),
    (TWO, dict(a=TWO), plain([0.1], size=(8, 8)), r'truth have .*\(1, 8, 8\), the inputs \(1, 8'),
    (np.zeros((2, 1, 8, 12), np.uint8), dict(a=TWO), None, 'inputs are uint8'),
], ids=['no input', 'no prediction', 'no steps', 'channels', 'size', 'uint8'])
def test_frames_that_make_no_picture_are_refused_with_their_numbers(
        inputs: np.ndarray, predictions: dict, truth: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PicturedSequence(inputs, predictions, truth)


def test_a_sample_is_pictured_with_its_name_and_the_truth_where_it_is_known() -> None:
    sample = PredictionDataSample(metainfo=dict(name='walk.avi', num_inputs=2, num_outputs=1))
    sample.input_frames = torch.from_numpy(TWO).bfloat16()
    with pytest.raises(ValueError, match='without pred_frames'):
        PicturedSequence.from_sample(sample)
    sample.pred_frames = torch.from_numpy(plain([0.5]))
    unknown = PicturedSequence.from_sample(sample, label='CBM')
    assert unknown.name == 'walk.avi' and unknown.truth is None and unknown.num_outputs == 1
    assert list(unknown.predictions) == ['CBM']
    np.testing.assert_allclose(unknown.inputs, TWO, atol=1e-3)
    sample.target_frames = torch.from_numpy(plain([0.25]))
    known = PicturedSequence.from_sample(sample)
    assert frame_of(known.truth, 0)[0, 0, 0] == 0.25 and frame_of(known.truth, 1) is None
