"""What a pipeline hands on of one video, and what of it is one sequence.

Several crops or clips of a video are refused, since a recurrence must not run across them.
"""
from typing import Any, Optional, Sequence

from mmaction.datasets.transforms import PackActionInputs
from mmaction.structures import ActionDataSample
from torch import Tensor

from ..registry import TRANSFORMS

VIEWS = """\
a video arrives as {got}: the pipeline makes several crops (ThreeCrop, TenCrop) or clips (num_clips,
twice_sample) of it, and a recurrent network would take them for one long video. To test on one
view, write in the config:
    test_dataloader = _base_.val_dataloader
or give the pipeline CenterCrop, and one clip to SampleFrames (num_clips=1, or clip_len=1 with
num_clips the number of frames)"""


@TRANSFORMS.register_module(name='PackActionInputs', force=True)
class PackSequenceInputs(PackActionInputs):
    """MMAction2's ``PackActionInputs``, in its place, that also hands on how was sampled.

    - ``clip_len`` and ``num_clips``, as meta information: a stock pipeline lays the crops of a
      video one after the other in its time axis, and only these tell them from a longer video.
    - ``clip_plan``, where a sampler drew one: without it the frames of overlapping clips would pass
      for one sequence.

    Args:
        collect_keys, meta_keys, algorithm_keys: as MMAction2's.
    """

    def __init__(self, collect_keys: Optional[Sequence[str]] = None,
                 meta_keys: Sequence[str] = ('img_shape', 'img_key', 'video_id', 'timestamp'),
                 algorithm_keys: Sequence[str] = ()) -> None:
        super().__init__(collect_keys, (*meta_keys, 'clip_len', 'num_clips'),
                         (*algorithm_keys, 'clip_plan'))


def one_sequence(frames: Tensor, sample: Optional[ActionDataSample]) -> Tensor:
    """What a pipeline gave of one video -> its sequence ``(T, C, H, W)``.

    Args:
        frames: ``(T, C, H, W)`` (FormatShape NCHW) or ``(1, C, T, H, W)`` (NCTHW).
        sample: says in its meta information how much was sampled. Default None, or a sample that
            does not: any number of frames is one sequence.

    Raises:
        ValueError: there are several crops or clips; the message names the line to write.
    """
    if frames.ndim == 5:  # (crops x clips, C, T, H, W)
        if len(frames) != 1:
            raise ValueError(VIEWS.format(got=f'{len(frames)} clips of {frames.shape[2]} frames'))
        return frames[0].transpose(0, 1)
    clip_len, num_clips = _sampled(sample)
    if clip_len is not None and not _is_one(len(frames), clip_len, num_clips):
        raise ValueError(VIEWS.format(
            got=f'{len(frames)} frames where its sampler chose {num_clips} x {clip_len} (num_clips '
            'x clip_len)'))
    return frames


def _is_one(frames: int, clip_len: int, num_clips: int) -> bool:
    """Frames one by one, or, as flow, the frames of a clip stacked in the channels."""
    one_clip = 1 in (clip_len, num_clips) and frames == clip_len * num_clips
    return one_clip or frames == num_clips


def _sampled(sample: Optional[ActionDataSample]) -> Any:
    if sample is None:
        return None, None
    clip_len, num_clips = sample.get('clip_len'), sample.get('num_clips')
    if clip_len is None or num_clips is None or isinstance(clip_len, dict):
        return None, None
    return int(clip_len), int(num_clips)
