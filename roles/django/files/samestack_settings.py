"""Settings of the deployed application: its own, with what belongs to the machine set over them."""

import importlib  # which module it is, is known on the machine only
import os
from typing import Any

from django.conf import global_settings
from samestack_overlay import debug_as_read, overlay


def _may_write(path: str) -> bool:
    """Return whether this process may write a file, or make it."""
    return os.access(path if os.path.exists(path) else os.path.dirname(path) or ".", os.W_OK)


def _settings() -> dict[str, Any]:
    """Return all settings, by name."""
    os.environ.update(debug_as_read(os.environ))
    # By its name, as Django would
    base = importlib.import_module(os.environ["SAMESTACK_BASE_SETTINGS"])
    own = {name: getattr(base, name) for name in dir(base) if name.isupper()}
    mailers = hasattr(global_settings, "MAILERS")
    return {**own, **overlay(own, os.environ, mailers=mailers, may_write=_may_write)}


# The project's package may ask for settings while it is imported, as many a Celery app does, and that is while this
# module is imported: Django then looks at what is here so far (PEP 562).
def __dir__() -> list[str]:
    return list(_settings())


def __getattr__(name: str) -> Any:
    if not name.isupper():
        raise AttributeError(name)
    try:
        return _settings()[name]
    except KeyError:
        raise AttributeError(name) from None


globals().update(_settings())
del __dir__, __getattr__
