"""MMAction2's own inferencer on our configs."""
from pathlib import Path

import pytest
import torch
from mmengine.runner import Runner

from cbm_plugin.recognition import RecurrentRecognizer

from ..tiny_run import tiny_config, train


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """The default, cut down and trained for an epoch; config and checkpoint as users have them."""
    folder = tmp_path_factory.mktemp('inferencer')
    cfg = tiny_config(folder, **{'train_cfg.max_epochs': 1, 'param_scheduler.0.total_steps': 1})
    runner = train(cfg)
    cfg.dump(folder / 'config.py')
    return runner


def inferencer(run: Runner, **options: object) -> object:
    from mmaction.apis.inferencers import MMAction2Inferencer
    folder = Path(run.work_dir)
    return MMAction2Inferencer(rec=str(folder.parent / 'config.py'),
                               rec_weights=str(folder / 'epoch_1.pth'), device='cpu', **options)


def scores_of_the_model(run: Runner, index: int) -> torch.Tensor:
    model: RecurrentRecognizer = run.model.eval()
    sample = run.test_dataloader.dataset[index]
    with torch.no_grad():
        tested = model.test_step(dict(inputs=[sample['inputs']],
                                      data_samples=[sample['data_samples']]))
    return tested[0].pred_score


def test_it_scores_a_video_file_as_the_test_loop_does(run: Runner) -> None:
    video = run.test_dataloader.dataset.get_data_info(0)['filename']
    prediction = inferencer(run)(video)['predictions'][0]
    expected = scores_of_the_model(run, 0)
    torch.testing.assert_close(torch.tensor(prediction['rec_scores'][0]), expected)
    assert prediction['rec_labels'][0] == [int(expected.argmax())]


def test_it_takes_decoded_frames_too(run: Runner) -> None:
    from decord import VideoReader
    video = run.test_dataloader.dataset.get_data_info(1)['filename']
    frames = VideoReader(video)[:].asnumpy()
    prediction = inferencer(run, input_format='array')(frames)['predictions'][0]
    torch.testing.assert_close(torch.tensor(prediction['rec_scores'][0]),
                               scores_of_the_model(run, 1))
