"""Print how long recurrent layers remember: what is left of a small change of the state.

    python tools/analysis_tools/state_survival.py [--seed 0]

A Markdown table: layer, and the share left after 1, 2, 4 and 8 frames.
"""
import argparse
from typing import List, Optional

import torch

from cbm_plugin.layers import layer_factory, state_survival

LAYERS = {
    'CBM (near identity, our default)': dict(type='CBM'),
    "CBM, init='xavier' (gain 3, the authors')": dict(type='CBM', init='xavier'),
    "CBM, init='default' (PyTorch's)": dict(type='CBM', init='default'),
    'ConvLSTM': dict(type='ConvLSTM'),
    'ConvGRU': dict(type='ConvGRU'),
    'ConvRNN (tanh)': dict(type='ConvRNN'),
}
FRAMES = (1, 2, 4, 8)


def main(argv: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args(argv)
    rows = [['layer', *(f'after {frames}' for frames in FRAMES)], ['---'] * (1 + len(FRAMES))]
    for name, config in LAYERS.items():
        torch.manual_seed(args.seed)
        layer = layer_factory(config)(16, 16).double().eval()
        left = state_survival(layer, torch.randn(4, max(FRAMES), 16, 8, 8).double().relu())
        rows.append([name, *(f'{float(left[frames - 1]):.2g}' for frames in FRAMES)])
    print('\n'.join('| ' + ' | '.join(row) + ' |' for row in rows))


if __name__ == '__main__':
    main()
