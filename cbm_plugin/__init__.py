"""The Context Bridge Module and the Overlap Coherence Training Scheme for MMAction2.

Importing this package absorbs the faults of the installed OpenMMLab packages (`compat`) and nothing
else: ``cbm_plugin.layers`` needs torch only, and ``import cbm_plugin`` succeeds where OpenMMLab is
missing or broken. An application is registered by importing it, e.g. ``cbm_plugin.recognition``.
"""
from . import compat

__version__ = '0.1.0'

compat.absorb()
