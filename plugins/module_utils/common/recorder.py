"""Keeps what a run of ours has left behind on this host, beside whatever follows: written down, and in a copy."""

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
#: Copies the application's files and the code that serves to where backups are
COPY = "samestack-backup@uploads.service"


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


def copy() -> None:
    """Have the code that serves copied, so that a machine that is lost comes back with it; nobody waits for it.

    A host without backups has no such unit, and none is started.
    """
    subprocess.run(["systemctl", "start", "--no-block", "--quiet", COPY], check=False, capture_output=True)
