"""Which recognizers can become one step."""
import pytest
import torch

from cbm_plugin.recognition.step_export import RecognizerStep
from cbm_plugin.registry import MODELS

from ..tiny import tiny_recognizer
from .test_backbones import recognizer


def test_a_network_without_a_backbone_says_how_many_channels_a_frame_has() -> None:
    model = MODELS.build(dict(
        type='RecurrentRecognizer', backbone=dict(type='NoBackbone'),
        neck=dict(type='StandaloneCBM', hidden_channels=[4] * 17, variant='standalone_released'),
        cls_head=dict(type='RecurrentHead', num_classes=3, in_channels=4, topk=1)))
    assert RecognizerStep(model).frame_channels == 3


def test_a_backbone_that_sees_later_frames_is_refused() -> None:
    with pytest.raises(ValueError, match='a file of one step needs a model that sees no later'):
        RecognizerStep(recognizer('SlowOnly'))


def test_a_step_of_a_recognizer_gives_probabilities_and_a_state() -> None:
    model = tiny_recognizer().eval()
    with torch.no_grad():
        scores, state = RecognizerStep(model).step(torch.rand(2, 3, 8, 8) * 255)
    torch.testing.assert_close(scores.sum(1), torch.ones(2))
    assert len(state) == 2
