"""``python -m cbm_plugin``: the environment report."""
import sys

from .environment import main

sys.exit(main())
