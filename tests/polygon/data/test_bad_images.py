"""Images that fail during a run are replaced, named once and counted; the run goes on."""
import struct
import zlib
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from ...tiny_run import ROOT
from ..coco_files import SQUARE, annotation, coco, write_coco

CONFIG = next((ROOT / 'configs/polygon').glob('*_coco-folder.py'))


def run(folder: Path, bad: bytes, workers: int = 0) -> str:
    """Train an epoch on 8 images, of which the second is `bad`, and validate; the log."""
    write_coco(folder, [annotation(i, [SQUARE], image=i) for i in range(8)], 8)
    (folder / 'images/1.png').write_bytes(bad)
    cfg = Config.fromfile(CONFIG)
    cfg.work_dir = str(folder / 'run')
    cfg.experiment_name = cfg.visualizer.name = folder.name
    cfg.custom_hooks = [dict(type='SampleFaultHook', max_share=0.5)]
    cfg.train_cfg.max_epochs = cfg.param_scheduler[0].total_steps = 1
    cfg.model.rnn.hidden_channels = [4] * 2
    cfg.train_cfg.val_interval = 1
    for split in ('train', 'val'):
        loader = cfg[f'{split}_dataloader']
        loader.update(batch_size=4, num_workers=workers, persistent_workers=False)
        loader.dataset.update(data_root=str(folder), ann_file='ann.json')
    Runner.from_cfg(cfg).train()
    return next((folder / 'run').glob('*/*.log')).read_text()


def huge_png() -> bytes:
    """A PNG that says it has 20000 x 20000 pixels."""
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack('>I', zlib.crc32(kind + content))
        return struct.pack('>I', len(content)) + kind + content + check

    header = struct.pack('>IIBBBBB', 20000, 20000, 8, 2, 0, 0, 0)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(b''))
            + chunk(b'IEND', b''))


@pytest.mark.parametrize('bad, reason, workers', [
    (b'no image', 'cannot be read as an image', 0), (huge_png(), '1.png is too large', 1)
], ids=['broken', 'huge'])
def test_a_run_with_a_bad_image_goes_on_and_names_file_and_object_once(
        tmp_path: Path, bad: bytes, reason: str, workers: int) -> None:
    log = run(tmp_path, bad, workers=workers)
    assert log.count('1.png, object 1: ValueError: ') == 1 and reason in log
    # 8 trained on and 8 validated on, and the bad one in each
    assert '1 samples failed, in 2 of 18 draws' in log


def test_where_no_image_can_be_read_the_names_are_told(tmp_path: Path) -> None:
    write_coco(tmp_path, [annotation(i, [SQUARE], image=i) for i in range(8)], 8)
    data = coco(tmp_path, pipeline=[dict(type='LoadObjectImage')])
    for image in (tmp_path / 'images').glob('*.png'):
        image.write_bytes(b'no image')
    with pytest.raises(RuntimeError, match='none of the 8 samples tried of .*ann.json can be read'):
        data[0]
