"""MMAction2's ``DecordInit``, through which a damaged video raises an error and no more."""
import os

from mmaction.datasets.transforms import DecordInit

from ..registry import TRANSFORMS
from ..video.reader import open_video


@TRANSFORMS.register_module(name='DecordInit', force=True)
class BoundedDecordInit(DecordInit):
    """Stands in for MMAction2 1.2.0's ``DecordInit``, under its name, so that configs stay.

    That one gives decord the bytes of a file, and decord 0.6.0 then reads beyond the end of one
    that was cut off: the worker process dies of a segmentation fault, and the run with it. Files on
    a disk are opened by their path here, within the bounds of :mod:`cbm_plugin.video.reader`; other
    backends have only bytes, and are as safe as before. The frames are the same.

    Args: as ``DecordInit``.

    Raises:
        FileNotFoundError, ValueError: (when drawn) see
            :func:`~cbm_plugin.video.reader.open_video`.
    """

    def _get_video_reader(self, filename: str) -> object:
        if self.io_backend != 'disk':
            return super()._get_video_reader(filename)
        if not os.path.splitext(filename)[1]:
            filename += '.mp4'  # as MMAction2 does: some lists have no suffixes
        return open_video(filename, self.num_threads)
