"""The first of the programs inside the application's Python: makes the others importable, by their own names.

They come as text, so nothing of ours lies where the application could import it; a traceback names their files.
"""

from __future__ import annotations

import json
import sys

# No file holds the programs: Python's own way to make modules of texts
from importlib import import_module
from importlib.abc import ExecutionLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE = "samestack_inside_app"


class Programs(ExecutionLoader, MetaPathFinder):
    """Finds the programs in a dictionary of their texts."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        """Take the texts by the programs' names."""
        self.texts = {PACKAGE: "", **{f"{PACKAGE}.{name}": text for name, text in sources.items()}}

    def find_spec(self, fullname: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """Return how a program is loaded, None for whatever is not ours."""
        if fullname not in self.texts:
            return None
        return ModuleSpec(fullname, self, origin=self.get_filename(fullname), is_package=self.is_package(fullname))

    def is_package(self, fullname: str) -> bool:
        """Return whether that is the package itself."""
        return fullname == PACKAGE

    def get_filename(self, fullname: str) -> str:
        """Return what a traceback calls the program: its place among our files."""
        return fullname.removeprefix("samestack_").replace(".", "/") + ".py"

    def get_source(self, fullname: str) -> str:
        """Return the program's text."""
        return self.texts[fullname]


def start(text: str) -> None:
    """Call one function of a program; takes JSON: `sources`, `call` (`program.function`) and what it is `given`."""
    asked = json.loads(text)
    sys.meta_path.append(Programs(asked["sources"]))
    module, function = asked["call"].split(".")
    getattr(import_module(f"{PACKAGE}.{module}"), function)(asked["given"])
