"""The paper's four networks, as arguments of :class:`~cbm_plugin.layers.deep_rnn.DeepRNN`.

One module, four settings (section 4); ``standalone_released`` is the standalone network with the
fault that the authors' published weights were trained with::

    variant     R      norm       shortcuts                                    where
    polygon     tanh   none       none                                         4.2
    backbone    tanh   BN on R,T  after 5, 10, 15: projection, then 2x2 pool   4.1, on a backbone
    standalone  ReLU   BN on R,T  every 2 layers                               4.1, no backbone
    prediction  ReLU   none       every 5 layers: identity                     4.3

T starts from the authors' Xavier with gain 3. ``[state, input]`` against ``[input, state]`` before
T's convolution is a matter of where a checkpoint's channels stand, not of the function: our T keeps
two separate sets of weights.
"""

from typing import Dict, Optional

from .build import check_options
from .deep_rnn import DeepRNN

STANDALONE_CHANNELS = [64] * 5 + [128] * 4 + [256] * 4 + [512] * 4

POLYGON_CHANNELS: Dict[int, list] = {
    2: [64, 8],
    5: [128, 128, 64, 32, 8],
    10: [128] * 5 + [64] * 3 + [32, 8],
    15: [256, 256] + [128] * 4 + [64] * 6 + [32, 32, 8],
}
"""Published widths by depth (the paper's table; the released code runs other ones at 15)."""

POLYGON_RELEASED_CHANNELS = [128] * 9 + [64] * 3 + [32, 32, 8]
"""Of the authors' released 15-layer model: 4.48M parameters, where the paper has 5.85M."""

VARIANTS: Dict[str, dict] = dict(
    polygon=dict(layer=dict(type='CBM', activation='tanh', norm=None, init='xavier')),
    backbone=dict(
        layer=dict(
            type='CBM',
            activation='tanh',
            norm='BN',
            gate_norm='BN',
            statistics='step',
            init='xavier',
        ),
        shortcuts=5,
        shortcut='projection',
        pool_after=5,
        statistics='step',
    ),
    standalone=dict(
        layer=dict(
            type='CBM',
            activation='relu',
            norm='BN',
            gate_norm='BN',
            statistics='step',
            init='xavier',
        ),
        first_layer=dict(bridge_kernel_size=7, stride=2),
        downsample_at=(6, 10, 14),
        shortcuts=[(first, first + 1) for first in range(2, 17, 2)],
        pool_after=[1],
        pool=dict(kernel_size=3, stride=2, padding=1),
        statistics='step',
    ),
    prediction=dict(
        layer=dict(type='CBM', activation='relu', norm=None, init='xavier'), shortcuts=5
    ),
)

# The released code of the standalone model forgets to start a new shortcut at layer 10: the one
# around layers 10 and 11 adds layer 8's input. The released weights were trained with it.
VARIANTS['standalone_released'] = dict(
    VARIANTS['standalone'],
    shortcuts=[
        (10, 11, 8) if span == (10, 11) else span for span in VARIANTS['standalone']['shortcuts']
    ],
)


def variant_settings(
    variant: Optional[str] = None, layer: Optional[dict] = None, **options: object
) -> dict:
    """Arguments of :class:`~cbm_plugin.layers.deep_rnn.DeepRNN`: a variant's, and what differs.

    Args:
        variant: a key of :data:`VARIANTS`. Default None: CBM layers with their own defaults.
        layer: options of the layers that override the variant's. Another ``type`` than CBM takes
            none of its options.
        options: other arguments of ``DeepRNN``, likewise.

    Raises:
        ValueError: the variant or an option is unknown.
    """
    if variant is not None and variant not in VARIANTS:
        raise ValueError(f"variant '{variant}' is unknown: use one of {sorted(VARIANTS)}")
    settings = {**VARIANTS.get(variant or '', {}), **options}
    own = settings.get('layer', dict(type='CBM'))
    layer = layer or {}
    settings['layer'] = {**own, **layer} if layer.get('type', 'CBM') == 'CBM' else dict(layer)
    check_options(DeepRNN, settings)
    return settings
