"""Calls the recorder of this host: at the end of a run, or beside what follows it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAM = "/usr/local/lib/samestack/record"
PATIENCE_SECONDS = 120
#: Runs after which it is recorded what they left behind, without anybody waiting for it
BESIDE = ("deploy", "promote", "rollback", "repair")


@dataclass
class Recorded:
    """How a recording went; `trouble` is for people, and no reason to stop."""

    trouble: str = ""


def command(cause: str, run: Mapping[str, Any]) -> list[str]:
    """Return the recorder's command line."""
    return [PROGRAM, "--cause", cause, "--run", str(run.get("id", "")), "--who", str(run.get("who", ""))]


def record(cause: str, run: Mapping[str, Any]) -> Recorded:
    """Record what a run of ours has left behind, and wait for it; a host without recorder has nothing to say."""
    if not os.access(PROGRAM, os.X_OK):
        return Recorded()
    try:
        done = subprocess.run(
            command(cause, run), capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Recorded(f"What is on this host could not be written down: {error}")
    if done.returncode:
        return Recorded(f"What is on this host could not be written down: {done.stderr.strip()[-500:]}")
    return Recorded()


def record_beside(run: Mapping[str, Any]) -> None:
    """Record what a run of ours has left behind, while it goes on: nobody waits for it.

    A provision records at its very end.
    """
    if run.get("verb") in BESIDE and os.access(PROGRAM, os.X_OK):
        start = ["systemd-run", "--quiet", "--no-block", "--collect", "--nice=5", "--"]
        subprocess.run([*start, *command(run["verb"], run)], check=False, capture_output=True)
