"""Long videos: tested chunk by chunk, with the state carried on."""
from typing import Mapping, Optional

import torch
from torch import Tensor, nn

from ..layers import State
from ..layers.state import map_state


def chunk_length(test_cfg: Optional[Mapping]) -> Optional[int]:
    """``test_cfg.chunk_len``: so many frames are in work at a time. Default None: all.

    Raises:
        ValueError: it is no positive whole number.
    """
    chunk_len = (test_cfg or {}).get('chunk_len')
    if chunk_len is not None and (type(chunk_len) is not int or chunk_len < 1):
        raise ValueError(f'model.test_cfg.chunk_len is {chunk_len!r}, but must be a whole number '
                         'of frames, at least 1, or None to test a video in one piece')
    return chunk_len


def require_causal(model: nn.Module, what: str) -> None:
    """Refuse a model whose scores of a frame depend on later frames.

    Raises:
        ValueError: the model says of itself that it is not causal.
    """
    if not getattr(model, 'causal', True):
        raise ValueError(
            f'{what} needs a model that sees no later frames, but this one, with the backbone '
            f'{type(model.backbone).__name__}, does: use a backbone that works on single frames '
            '(a 2D ResNet, MmcvVGG, SmallConvNet, ...)')


def chunked_logits(model: nn.Module, inputs: Tensor, lengths: Tensor,
                   chunk_len: int) -> Tensor:
    """Logits ``(N, T, K)`` of whole videos, of which ``chunk_len`` frames are in work at a time.

    Equal to those of one pass: each chunk goes on from the state that the one before it left.
    Frames stay uint8 until their chunk is normalised, so what grows with the length of a video is
    its decoded frames and K logits a frame. Where even the frames are too many, see
    :class:`~cbm_plugin.recognition.streaming.StreamRecognizer`.

    Args:
        model: a ``RecurrentRecognizer`` in evaluation mode.
        inputs: ``(N, T, C, H, W)``.
        lengths: ``(N,)``; what lies beyond comes out as zeros.
        chunk_len: at least 1.

    Raises:
        ValueError: the model is not causal.
    """
    require_causal(model, 'model.test_cfg.chunk_len')
    lengths = lengths.cpu()
    rows = torch.arange(len(lengths))  # the videos that have not ended
    logits: Optional[Tensor] = None
    state: Optional[State] = None
    for first in range(0, int(lengths.max()), chunk_len):
        going_on = lengths[rows] > first
        if not bool(going_on.all()):
            rows, state = rows[going_on], _of_rows(state, going_on)
        left = (lengths[rows] - first).clamp_max(chunk_len)
        chunk = inputs[rows.to(inputs.device), first:first + int(left.max())]
        of_chunk, state = model.extract_feat(chunk, left, state, stage='head')
        if logits is None:
            logits = of_chunk.new_zeros(*inputs.shape[:2], of_chunk.shape[2])
        logits[rows.to(logits.device), first:first + of_chunk.shape[1]] = of_chunk
    assert logits is not None  # lengths are at least 1
    return logits


def _of_rows(state: Optional[State], keep: Tensor) -> Optional[State]:
    return None if state is None else map_state(lambda leaf: leaf[keep.to(leaf.device)], state)
