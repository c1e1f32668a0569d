"""A state is worth carrying only if it remembers."""
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cbm_plugin.layers import CBM, DeepRNN, state_survival
from cbm_plugin.synthetic.early_cue import early_cue_sequences


def survival(init: object) -> torch.Tensor:
    torch.manual_seed(0)
    layer = CBM(16, 16, **({} if init is None else dict(init=init))).double().eval()
    return state_survival(layer, torch.randn(4, 8, 16, 8, 8).double().relu())


def test_a_change_of_the_state_survives_eight_frames_with_the_default_initialisation() -> None:
    assert survival(None)[7] > 0.1


def test_with_the_initialisation_of_the_authors_a_thousandth_is_left_after_eight() -> None:
    left = survival('xavier')
    assert left[0] > 0.3 and 1e-4 < left[7] < 1e-2


def test_with_the_initialisation_of_pytorch_it_is_gone_after_eight() -> None:
    assert survival('default')[7] < 1e-5


def accuracy_at_the_last_frame(seed: int) -> float:
    """Train 3 CBM layers on a cue in the first 4 of 16 frames; judge them at the sixteenth."""
    torch.manual_seed(seed)
    stack, classifier = DeepRNN(1, [16] * 3), nn.Linear(4 * 16, 4)
    parameters = [*stack.parameters(), *classifier.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=5e-3)
    x, labels = early_cue_sequences(1024, seed=seed)
    test_x, test_labels = early_cue_sequences(512, seed=seed + 1000)

    def last_frame(frames: torch.Tensor) -> torch.Tensor:
        maps = stack(frames)[0][:, -1]
        return classifier(F.adaptive_avg_pool2d(maps, 2).flatten(1))

    for _ in range(100):
        chosen = torch.randint(len(x), (32,))
        loss = F.cross_entropy(last_frame(x[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
    stack.eval()
    with torch.no_grad():
        return float((last_frame(test_x).argmax(1) == test_labels).float().mean())


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_three_layers_know_at_the_last_frame_what_only_the_first_four_showed(seed: int) -> None:
    assert accuracy_at_the_last_frame(seed) >= 0.9
