"""A recognizer as one step: what a file for streaming holds."""
from typing import Optional, Tuple

from torch import Tensor, nn

from ..layers import State
from .chunks import require_causal
from .recognizer import RecurrentRecognizer


class RecognizerStep(nn.Module):
    """A :class:`~cbm_plugin.recognition.recognizer.RecurrentRecognizer`, frame by frame.

    Made for :func:`cbm_plugin.layers.export.export_step`; normalisation is part of it.

    Args:
        recognizer: with a recurrent neck.

    Raises:
        ValueError: the recognizer has no neck, and so no state to carry from frame to frame; or
            its backbone sees later frames.
    """

    def __init__(self, recognizer: RecurrentRecognizer) -> None:
        super().__init__()
        if not recognizer.with_neck:
            raise ValueError('the recognizer has no neck, so no state goes from frame to frame: '
                             "set model.neck = dict(type='RecurrentNeck', ...)")
        require_causal(recognizer, 'a file of one step')
        self.recognizer = recognizer

    @property
    def frame_channels(self) -> int:
        """C of a frame: that of the first convolution, the backbone's or else the neck's."""
        first = (module.in_channels for module in self.recognizer.backbone.modules()
                 if isinstance(module, nn.Conv2d))
        return next(first, self.recognizer.neck.rnn.in_channels)

    def step(self, frame: Tensor, state: Optional[State] = None) -> Tuple[Tensor, State]:
        """``(N, C, H, W)``, 0 to 255, as the pipeline gives it -> scores ``(N, K)``, new state.

        The scores are the softmax of this one frame's logits; how those of several frames become
        one decision (the head's ``aggregation``) is left to the caller.
        """
        logits, new_state = self.recognizer.extract_feat(frame.unsqueeze(1), state=state,
                                                         stage='head')
        assert new_state is not None  # there is a neck
        return logits.squeeze(1).float().softmax(-1), new_state
