"""Settings of the deployed application: its own, with what belongs to the machine set over them."""

import importlib  # which module it is, is known on the machine only
import os

from samestack_overlay import overlay

# By its name, as Django would
_base = importlib.import_module(os.environ["SAMESTACK_BASE_SETTINGS"])
_own = {name: getattr(_base, name) for name in dir(_base) if name.isupper()}
globals().update(_own)
globals().update(overlay(_own, os.environ))
