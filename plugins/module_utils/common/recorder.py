"""Has the recorder of this host write down what a run of ours has left behind, beside whatever follows."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

from .paths import STATE
from .priority import last

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = "/usr/local/lib/samestack/record"
# Why the last recording failed; the recorder removes it when one succeeds.
TROUBLE = f"{STATE}/recorder/trouble"


def command(run: Mapping[str, Any]) -> list[str]:
    """Return the recorder's command line for a run."""
    given = {"cause": run["verb"], "run": run.get("id", ""), "who": run.get("who", "")}
    return [PROGRAM, *(word for name, value in given.items() for word in (f"--{name}", str(value)))]


def record(run: Mapping[str, Any]) -> list[str]:
    """Start a recording, and return what went wrong with the last one, in words; nobody waits for it.

    A host that has no recorder yet has nothing to say, and neither has a run that has no name.
    """
    if not run.get("verb") or not os.access(PROGRAM, os.X_OK):
        return []
    start = ["systemd-run", "--quiet", "--no-block", "--collect", *(f"--property={text}" for text in last()), "--"]
    subprocess.run([*start, *command(run)], check=False, capture_output=True)
    try:
        with open(TROUBLE, encoding="utf-8") as file:
            return [f"What is on this host could not be written down the last time: {file.read().strip()}"]
    except OSError:
        return []
