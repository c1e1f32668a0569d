"""What a backbone sees at once: a frame, or the frames before and after it too."""
from typing import Optional

from torch import Tensor, nn

FRAME, SEGMENTS, CLIP = 'frame', 'segments', 'clip'


def backbone_scope(backbone: nn.Module) -> str:
    """``'frame'``, ``'segments'`` or ``'clip'``.

    - ``'frame'``: 2D backbones. What they make of a frame depends on that frame: causal.
    - ``'segments'``: 2D backbones that shift or mix channels between the frames of a clip and need
      to know how many those are: TSM, TIN, TANet. Told by their ``num_segments``.
    - ``'clip'``: 3D backbones, which take ``(N, C, T, H, W)``: I3D, SlowOnly, C3D, R(2+1)D, CSN,
      X3D, video transformers. Told by their first convolution, or by ``num_frames``.
    """
    if num_segments(backbone) is not None:
        return SEGMENTS
    convolutions = (m for m in backbone.modules() if isinstance(m, (nn.Conv2d, nn.Conv3d)))
    if isinstance(next(convolutions, None), nn.Conv3d) or hasattr(backbone, 'num_frames'):
        return CLIP
    return FRAME


def num_segments(backbone: nn.Module) -> Optional[int]:
    """How many frames such a backbone takes for one clip; None for all others."""
    number = getattr(backbone, 'num_segments', None)
    return number if isinstance(number, int) else None


def check_segments(backbone: nn.Module, frames: int) -> None:
    """Refuse clips of another length than the backbone was built for.

    It would take frames of one video for those of the next.

    Raises:
        ValueError: with both numbers.
    """
    number = num_segments(backbone)
    if number is not None and frames != number:
        raise ValueError(
            f'{type(backbone).__name__} shifts features between the num_segments={number} frames '
            f'of a clip, but a clip of this batch has {frames}: set model.backbone.num_segments='
            f'{frames}, or sample {number} frames (clip_len=1, num_clips={number} in '
            f'SampleFrames; min_len={number}, max_len={number} in SampleOverlapClips)')


def check_no_padding(backbone: nn.Module, lengths: Optional[Tensor],
                     valid: Optional[Tensor]) -> None:
    """Refuse padding, which a backbone that looks beyond a frame would see.

    Args:
        backbone: named in the message.
        lengths: ``(N,)``, None where all are T.
        valid: ``(N, T)`` mask of the real frames, None where there is no padding.

    Raises:
        ValueError: with the lengths.
    """
    if lengths is None or valid is None:
        return
    raise ValueError(
        f'the clips of this batch have the lengths {lengths.tolist()}, but '
        f'{type(backbone).__name__} looks at the frames before and after each one and would see '
        'the padding: give all clips one length (SampleFrames; min_len = max_len in '
        'SampleOverlapClips; batch_size=1 in testing), or use a backbone that works on single '
        'frames (a 2D ResNet, MmcvVGG, ...)')


def with_time(features: Tensor, backbone: nn.Module) -> Tensor:
    """What a clip backbone gave, ``(N, C, T, H, W)`` as it must be.

    Raises:
        TypeError: it has no time axis left.
    """
    if features.ndim != 5:
        raise TypeError(f'{type(backbone).__name__} gives features of the shape '
                        f'{tuple(features.shape)}, but a recurrent neck needs its time axis, '
                        '(N, C, T, H, W): use ResNet3d (I3D), ResNet3dSlowOnly, ResNet2Plus1d, '
                        'ResNet3dCSN, X3D or Swin')
    return features


def check_steps(backbone: nn.Module, frames: int, steps: int) -> None:
    """Refuse overlapping clips of a backbone that has fewer outputs than frames.

    Raises:
        ValueError: with both numbers.
    """
    if steps != frames:
        raise ValueError(
            f'{type(backbone).__name__} makes {steps} outputs of the {frames} frames of a clip, so '
            'the frames that two clips share cannot be compared: train it on single clips '
            '(SampleFrames), or use a backbone without strides in time (ResNet3dSlowOnly, a 2D '
            'ResNet, ...)')
