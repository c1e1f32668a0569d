"""Long videos chunk by chunk: nothing changes but the memory."""
from pathlib import Path
from typing import List

import pytest
import torch
from mmengine.runner import Runner

from cbm_plugin.overlap import ClipPlan
from cbm_plugin.recognition.chunks import chunked_logits

from ..tiny import batch, tiny_recognizer
from ..tiny_run import tiny_config


def scores(lengths: List[int], aggregation: str = 'mean', **test_cfg: object) -> torch.Tensor:
    model = tiny_recognizer('BN', test_cfg=test_cfg or None).eval()
    model.cls_head.aggregation = aggregation
    predicted = model.test_step(batch([ClipPlan.whole(length) for length in lengths]))
    return torch.stack([item.pred_score for item in predicted])


@pytest.mark.parametrize('chunk_len', [1, 2, 3, 5, 13, 40])
@pytest.mark.parametrize('lengths', [[13, 13], [5, 13, 1, 10, 6]], ids=['equal', 'ragged'])
def test_a_batch_in_chunks_is_predicted_as_in_one_piece(lengths: List[int], chunk_len: int) -> None:
    for aggregation in ('mean', 'vote', 'last', 'last_half'):
        torch.testing.assert_close(scores(lengths, aggregation, chunk_len=chunk_len),
                                   scores(lengths, aggregation), rtol=0, atol=1e-6)


def test_each_frames_logits_are_those_of_one_pass_and_zeros_lie_beyond() -> None:
    model = tiny_recognizer().eval()
    data = model.data_preprocessor(batch([ClipPlan.whole(4), ClipPlan.whole(9)]))
    with torch.no_grad():
        whole = model.extract_feat(data['inputs'], data['lengths'], stage='head')[0]
        chunked = chunked_logits(model, data['inputs'], data['lengths'], 3)
    torch.testing.assert_close(chunked[0, :4], whole[0, :4])
    torch.testing.assert_close(chunked[1], whole[1])
    assert not chunked[0, 4:].any()


def test_the_temporal_mean_without_a_neck_goes_in_chunks_too() -> None:
    def predicted(**options: object) -> torch.Tensor:
        model = tiny_recognizer(neck=None, **options).eval()
        return model.test_step(batch([ClipPlan.whole(7)]))[0].pred_score

    torch.testing.assert_close(predicted(test_cfg=dict(chunk_len=3)), predicted())


def test_no_more_frames_than_a_chunk_are_in_work_and_they_arrive_as_uint8() -> None:
    seen = []
    model = tiny_recognizer(test_cfg=dict(chunk_len=3)).eval()
    model.backbone.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    normalize = model.data_preprocessor.normalize
    dtypes = []
    model.data_preprocessor.normalize = lambda f: (dtypes.append(f.dtype), normalize(f))[1]
    model.test_step(batch([ClipPlan.whole(11)]))
    assert seen == [3, 3, 3, 2] and dtypes == [torch.uint8] * 4


@pytest.mark.parametrize('chunk_len', [0, -1, 2.5, '8', True])
def test_a_chunk_length_that_is_none_is_refused_when_the_model_is_built(chunk_len: object) -> None:
    with pytest.raises(ValueError, match='chunk_len is .* must be a whole number of frames'):
        tiny_recognizer(test_cfg=dict(chunk_len=chunk_len))


def test_a_model_that_sees_later_frames_is_refused_with_its_backbone() -> None:
    model = tiny_recognizer(test_cfg=dict(chunk_len=3)).eval()
    model.causal = False
    with pytest.raises(ValueError, match='sees no later frames, but this one, .* SmallConvNet'):
        model.test_step(batch([ClipPlan.whole(4)]))


def test_a_runner_tests_in_chunks_when_the_config_says_so(tmp_path: Path) -> None:
    runner = Runner.from_cfg(tiny_config(tmp_path, **{'model.test_cfg.chunk_len': 5}))
    seen = []
    runner.model.backbone.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    assert 0 <= runner.test()['acc/top1'] <= 1
    assert seen == [4 * 5, 4 * 5, 4 * 5, 4] * 2  # two batches of four videos of 16 frames
