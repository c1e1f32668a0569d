r"""Print what a trained predictor must beat: the last frame, the mean of the inputs, black.

    python tools/analysis_tools/prediction_baselines.py \
        configs/prediction/cbm15_scratch_1xb8-10to10-2e_moving-shapes.py --out baselines.md

All three are compared with the config's test data by FramePredictionMetric: a Markdown table of
each metric at the steps 1, 5, 10, ... and of the mean over all steps, and the protocol below it.
--json-dir keeps every step, for tools/analysis_tools/plot_prediction_steps.py.
"""
import argparse
import json
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Iterator, List, Optional, Sequence

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
from mmengine.config import Config, DictAction
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

import cbm_plugin.prediction.network.baselines  # noqa: F401  registers them
from cbm_plugin.engine.user_errors import explain_user_errors, fail, load_config
from cbm_plugin.files import write_text
from cbm_plugin.prediction.evaluation.metric import DEFINITIONS, FramePredictionMetric
from cbm_plugin.progress import Progress
from cbm_plugin.registry import MODELS

BASELINES = {'copy of the last frame': 'CopyLastFrame', 'mean of the inputs': 'InputMean',
             'black': 'BlackFrame'}


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of a frame predictor')
    parser.add_argument('--split', choices=('test', 'val'), default='test', help='default: test')
    parser.add_argument('--metrics', nargs='+', metavar='NAME', choices=DEFINITIONS,
                        default=['mse_per_frame', 'mae_per_frame', 'psnr', 'ssim'],
                        help=f'of {", ".join(DEFINITIONS)} (default: mse_per_frame mae_per_frame '
                        'psnr ssim)')
    parser.add_argument('--out', type=Path, metavar='FILE.md', help='also write what is printed')
    parser.add_argument('--json-dir', type=Path, metavar='DIR', help='a file for each baseline')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction,
                        help='change entries of the config: key=value')
    return parser.parse_args(argv)


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps the metric from logging the protocol of each baseline."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('WARNING')
    try:
        yield
    finally:
        logger.setLevel(level)


def evaluate(cfg: Config, split: str, metrics: Sequence[str], folder: Path) -> List[dict]:
    """What FramePredictionMetric writes of each baseline, on all data of a split.

    Args:
        folder: where it writes: ``CopyLastFrame.json`` and so on.
    """
    loader_cfg = cfg.get(f'{split}_dataloader')
    if not loader_cfg:
        fail(f'the config has no {split}_dataloader: choose another --split')
    loader = Runner.build_dataloader(loader_cfg, seed=0)
    preprocess = MODELS.build(
        cfg.model.get('data_preprocessor') or dict(type='FramePreprocessor'))
    networks = [MODELS.build(dict(type=name)) for name in BASELINES.values()]
    files = [folder / f'{name}.json' for name in BASELINES.values()]
    evaluators = [Evaluator(FramePredictionMetric(metrics, out_file=str(file))) for file in files]
    done, total = 0, len(loader.dataset)
    progress = Progress('sequences compared', total)
    for data in loader:
        data = preprocess(data)
        frames, samples = data['inputs'], data['data_samples']
        num_inputs = samples[0].num_inputs
        for network, evaluator in zip(networks, evaluators):
            predictions = network.rollout(frames[:, :num_inputs], frames.shape[1] - num_inputs)
            for sample, truth, predicted in zip(samples, frames, predictions):
                sample.target_frames, sample.pred_frames = truth[num_inputs:], predicted
            evaluator.process(samples)
        done += len(samples)
        progress.update(done)
    for evaluator in evaluators:
        evaluator.evaluate(total)
    return [json.loads(file.read_text(encoding='utf-8')) for file in files]


def table(contents: Sequence[dict], metrics: Sequence[str]) -> str:
    """A row for each metric and baseline; the steps 1, 5, 10, ... and the mean over all."""
    steps = len(contents[0]['metrics'][metrics[0]])
    shown = [step for step in range(1, steps + 1) if step == 1 or step % 5 == 0]
    rows = [['metric', 'prediction', 'mean', *(f'T{step}' for step in shown)]]
    rows.append(['---', '---', *['---:'] * (len(shown) + 1)])
    for name in metrics:
        for label, content in zip(BASELINES, contents):
            curve = content['metrics'][name]
            values = [content['means'][name], *(curve[step - 1] for step in shown)]
            rows.append([name, label, *(f'{value:.4g}' for value in values)])
    return '\n'.join(f'| {" | ".join(row)} |' for row in rows)


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    cfg = load_config(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    with explain_user_errors(cfg), quiet(), TemporaryDirectory() as temporary:
        try:
            contents = evaluate(cfg, args.split, args.metrics, args.json_dir or Path(temporary))
        except (FileNotFoundError, ImportError, ValueError) as error:
            fail(str(error))
    text = f"{table(contents, args.metrics)}\n\n{contents[0]['protocol']}"
    if args.out is not None:
        write_text(args.out, text + '\n')
    print(text)


if __name__ == '__main__':
    main()
