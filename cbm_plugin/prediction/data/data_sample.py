"""What is known of one sequence of frames besides its pixels."""
from typing import Dict

from mmengine.structures import BaseDataElement
from torch import Tensor

from ...overlap import ClipPlan


class PredictionDataSample(BaseDataElement):
    """One sequence: how much of it is seen, and what was predicted of the rest.

    All frames are float32 ``(steps, C, H, W)`` in [0, 1]; predictions are clipped to that.

    ============== =================================================================
    data field
    ============== =================================================================
    input_frames   the frames that were seen; set by the model
    target_frames  the frames that follow them; set by the model, absent if unknown
    pred_frames    what was predicted in their place; set by the model
    clip_plan      over the T - 1 positions of a sequence of T frames: position t sees
                   frame t and predicts frame t + 1; absent: the whole sequence
    ============== =================================================================

    ============== =================================================================
    metainfo
    ============== =================================================================
    num_inputs     frames that are seen, from the first on
    num_outputs    frames to predict; the sequence may hold as many more, or none
    name           file or number of the sequence, for messages and pictures
    start          first frame of the sequence in its video (0 where there is no video)
    faults         pairs of name and message of samples that this one stands for; absent
                   if none
    ============== =================================================================
    """
    input_frames: Tensor
    target_frames: Tensor
    pred_frames: Tensor
    clip_plan: ClipPlan

    num_inputs: int
    num_outputs: int
    name: str
    start: int


METAINFO: Dict[str, object] = dict(num_inputs=None, num_outputs=None, name='', start=0)
"""What the pack hands on of a sequence, and what stands for it where it is unknown."""
