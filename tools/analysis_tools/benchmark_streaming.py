"""Time streaming with a carried state against running a window again for every frame.

    python tools/analysis_tools/benchmark_streaming.py --json streaming.json

Both do the same work for a new frame: prepare it, and give the scores of a network with the same
weights. ``stream`` runs that one frame and carries the state; ``window`` runs the last 16 frames,
as demos of windowed models do for a camera. They take turns in one process, so that whatever else
the machine does meets both. Weights are random: they cost the same time. Then the stream runs on
alone while its memory is watched.
"""
import argparse
import json
import os
import statistics
import sys
import time
from collections import deque
from pathlib import Path
from typing import Callable, Deque, Dict, Iterator, List, Optional, Tuple

import cbm_plugin  # noqa: F401  absorbs faults of the installed packages before they are imported

# isort: split
import numpy as np
import torch
from layer_benchmark.report import machine_facts
from mmengine.config import Config
from torch import Tensor

import cbm_plugin.recognition  # noqa: F401  (registers everything)
from cbm_plugin.engine.user_errors import explain_user_errors, fail, load_config
from cbm_plugin.files import write_text
from cbm_plugin.layers.state import map_state
from cbm_plugin.progress import Progress
from cbm_plugin.recognition.streaming import StreamRecognizer, build_model, pipeline_of

CONFIG = Path(__file__).parents[2] / 'configs/_base_/models/cbm15_r50.py'
PIPELINE = [dict(type='Resize', scale=(-1, 256)), dict(type='CenterCrop', crop_size=224),
            dict(type='FormatShape', input_format='NCHW')]
CAMERA = (240, 320)  # pixels of a frame before the pipeline
STREAMED = 4  # frames a round, against one window: a round of about equal times


def parse_args(argv: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='?', type=Path, default=CONFIG,
                        help='config of a RecurrentRecognizer (default: 15 CBM layers on '
                        'ResNet-50, 224 pixels)')
    parser.add_argument('--window', type=int, default=16, help='frames (default: 16)')
    parser.add_argument('--rounds', type=int, default=15, help='of the comparison (default: 15)')
    parser.add_argument('--frames', type=int, default=200,
                        help='of the stream whose memory is watched (default: 200)')
    parser.add_argument('--device', choices=['cpu', 'cuda'], default='cpu')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures')
    args = parser.parse_args(argv)
    for name, least in (('window', 1), ('rounds', 1), ('frames', 20)):
        if getattr(args, name) < least:
            parser.error(f'--{name} is {getattr(args, name)}, but must be at least {least}')
    if args.device == 'cuda' and not torch.cuda.is_available():
        parser.error('--device is cuda, but PyTorch finds no GPU here: use --device cpu')
    if args.json is not None and not args.json.parent.is_dir():
        parser.error(f'the folder of {args.json} does not exist: create it first')
    return args


def load_stream(cfg: Config, device: str) -> StreamRecognizer:
    """With random weights, and the default pipeline where the config has none."""
    try:
        pipeline = pipeline_of(cfg)
    except ValueError:
        pipeline = PIPELINE
    with explain_user_errors(cfg):
        try:
            return StreamRecognizer(build_model(cfg).to(device), pipeline, frame_interval=1)
        except ValueError as error:
            fail(str(error))


class Window:
    """The last frames, prepared once each, all of which pass the network for every new one."""

    def __init__(self, stream: StreamRecognizer, length: int) -> None:
        self.model, self.pipeline = stream.model, stream.pipeline
        self.frames: Deque[Tensor] = deque(maxlen=length)

    @torch.no_grad()
    def __call__(self, frame: np.ndarray) -> Tensor:
        self.frames.append(self.pipeline(frame))
        clip = torch.stack(list(self.frames), 1).to(next(self.model.parameters()).device)
        return self.model.extract_feat(clip, stage='head')[0].mean(1).softmax(-1).cpu()


def camera() -> Iterator[np.ndarray]:
    """Frames of noise, without end: sixteen of them, in turns."""
    frames = np.random.default_rng(0).integers(0, 256, (16, *CAMERA, 3), np.uint8)
    while True:
        yield from frames


def seconds_of(run: Callable[[np.ndarray], object], frames: Iterator[np.ndarray],
               number: int) -> float:
    """For one frame, of ``number`` in a row; each ends on the CPU, so nothing is left running."""
    ready = [next(frames) for _ in range(number)]
    start = time.perf_counter()
    for frame in ready:
        run(frame)
    return (time.perf_counter() - start) / number


def compare(stream: StreamRecognizer, window: Window, rounds: int) -> Dict[str, List[float]]:
    """Seconds for a frame in each round, in turns."""
    frames = camera()
    for _ in range(window.frames.maxlen or 1):  # fill it, without its network
        window.frames.append(stream.pipeline(next(frames)))
    seconds_of(stream, frames, STREAMED), seconds_of(window, frames, 1)  # warm up
    seconds: Dict[str, List[float]] = {'stream': [], 'window': []}
    progress = Progress('rounds', rounds)
    for done in range(1, rounds + 1):
        seconds['stream'].append(seconds_of(stream, frames, STREAMED))
        seconds['window'].append(seconds_of(window, frames, 1))
        progress.update(done)
    return seconds


def resident_bytes() -> int:
    """Memory of this process; where the system does not tell, its peak."""
    statm = Path('/proc/self/statm')
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE')
    import resource  # not on Windows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == 'darwin' else peak * 1024


def watch_memory(stream: StreamRecognizer, number: int) -> Tuple[List[int], List[int]]:
    """Frames seen, and bytes of this process (on a GPU: allocated there) after so many."""
    frames, seen, used = camera(), [], []
    device = next(stream.model.parameters()).device
    progress = Progress('frames', number)
    for count in range(1, number + 1):
        stream(next(frames))
        if count % max(number // 20, 1) == 0:
            seen.append(count)
            used.append(torch.cuda.memory_allocated(device) if device.type == 'cuda'
                        else resident_bytes())
        progress.update(count)
    return seen, used


def state_bytes(stream: StreamRecognizer) -> int:
    """What is carried from frame to frame."""
    sizes: List[int] = []
    map_state(lambda leaf: (sizes.append(leaf.numel() * leaf.element_size()), leaf)[1],
              stream.state or ())
    return sum(sizes)


def measure(args: argparse.Namespace) -> dict:
    """All figures."""
    stream = load_stream(load_config(args.config), args.device)
    seconds = compare(stream, Window(stream, args.window), args.rounds)
    seen, used = watch_memory(stream, args.frames)
    later = len(used) // 4  # the allocator's own pools fill first
    per_frame = {name: statistics.median(values) for name, values in seconds.items()}
    return dict(
        settings=dict(config=args.config.name, window=args.window, rounds=args.rounds,
                      frames=args.frames, device=args.device),
        machine=machine_facts(torch.device(args.device)),
        seconds=seconds,
        seconds_median=per_frame,
        frames_per_second={name: 1 / value for name, value in per_frame.items()},
        ratio=per_frame['window'] / per_frame['stream'],
        memory=dict(frames=seen, bytes=used, state_bytes=state_bytes(stream),
                    growth_bytes_per_frame=float(np.polyfit(seen[later:], used[later:], 1)[0])))


def main(argv: Optional[List[str]] = None) -> None:
    args = parse_args(argv)
    report = measure(args)
    speed, memory = report['frames_per_second'], report['memory']
    print(f"stream {speed['stream']:.2f} frames/s, window of {args.window} "
          f"{speed['window']:.2f} frames/s: {report['ratio']:.1f} times as fast "
          f'(medians of {args.rounds} rounds)')
    print(f"memory {memory['bytes'][0] / 1e6:.1f} MB after {memory['frames'][0]} frames, "
          f"{memory['bytes'][-1] / 1e6:.1f} MB after {memory['frames'][-1]}; "
          f"{round(memory['growth_bytes_per_frame'])} bytes a frame; "
          f"the state has {memory['state_bytes'] / 1e6:.2f} MB")
    if args.json is not None:
        text = json.dumps(report, indent=1) + '\n'
        write_text(args.json, text)


if __name__ == '__main__':
    main()
