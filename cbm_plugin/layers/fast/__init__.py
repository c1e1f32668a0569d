"""The fast twin of every recurrence: the same functions, with backward passes written by hand.

What does not depend on the state is one convolution over all frames; the loop over time holds one
convolution and one pointwise pass, both in place; backward loops over the states' gradients alone
and takes the weights' gradient in one convolution over all steps. Nothing here knows of modules'
interface or of padding: rows are packed (:mod:`~cbm_plugin.layers.packing`).
"""

from .gate import gated
from .gru import gru
from .lstm import lstm
from .project import project
from .rnn import rnn
from .step import cbm_step, join
from .unit import PreparedUnits, Unit, Units

__all__ = [
    'PreparedUnits',
    'Unit',
    'Units',
    'cbm_step',
    'gated',
    'gru',
    'join',
    'lstm',
    'project',
    'rnn',
]
