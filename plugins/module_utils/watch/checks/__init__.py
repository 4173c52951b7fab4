"""The checks: one file a section. What a role says of its service (`roles/<role>/watch/`) joins them on a host."""

from __future__ import annotations

# Roles bring checks of their own, which nobody here names.
import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..check import Check


def discovered() -> tuple[Check, ...]:
    """Return the checks that lie beside this file, in the order in which they are shown."""
    names = sorted(name.removesuffix(".py") for name in os.listdir(os.path.dirname(__file__)) if name.endswith(".py"))
    # Each by its name beside this file
    modules = [importlib.import_module(f".{name}", __name__) for name in names if name != "__init__"]
    return tuple(sorted((module.CHECK for module in modules), key=lambda check: check.order))


CHECKS = discovered()
