"""Filters of role parity: the recorder's files, and the key under which it tells what is secret."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MODULES = Path(__file__).resolve().parents[1] / "module_utils"
# Ansible puts module_utils on no import path of the control node.
sys.path.append(str(MODULES))

from manifest_key import derived_key

IMPORT = re.compile(r"^\s*from ansible\.module_utils(?:\.(\w+))? import (?:\(([^)]*)\)|(.*)$)", re.MULTILINE)
FIRST = "manifest_main"


def imported(text: str) -> set[str]:
    """Return the names of our own files that a file of module_utils imports."""
    found = set()
    for module, several, one in IMPORT.findall(text):
        names = re.findall(r"\w+", several or re.sub(r" as \w+", "", one))
        found |= {module} if module else set(names)
    return found


def recorder_files(folder: str) -> list[dict[str, str]]:
    """Return `system_state` entries that put the recorder, and everything of ours that it needs, into a folder."""
    names, waiting = set(), {FIRST}
    while waiting:
        names |= waiting
        texts = [(MODULES / f"{name}.py").read_text(encoding="utf-8") for name in waiting]
        waiting = set().union(*map(imported, texts)) - names
    return [{"path": f"{folder}/{name}.py", "source": str(MODULES / f"{name}.py")} for name in sorted(names)]


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"derived_key": derived_key, "recorder_files": recorder_files}
