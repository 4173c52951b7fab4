"""Runs git and Mercurial on the control node: never asked anything, never led to run a program of somebody's choice."""

from __future__ import annotations

import errno
import os
import subprocess
from typing import TYPE_CHECKING

from ..errors import DecisionError, SamestackError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

TIMEOUT = 900
# Of a repository's own settings none runs a program of its choice (a hook, a file system's watcher), and it is not led
# into a repository inside of another.
HARMLESS = (
    "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "safe.bareRepository=explicit",
)  # fmt: skip
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def run(
    arguments: Sequence[str | Path], environment: Mapping[str, str] | None = None, given: bytes | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program that is not asked anything; raises DecisionError when there is no such program.

    `given` is its standard input. What it prints is text; bytes that are none stay in it as Python keeps those of names
    of files (os.fsencode).
    """
    command = [str(part) for part in arguments]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, input=given or b"", timeout=TIMEOUT, check=False
        )
    except FileNotFoundError as error:
        problem = f"the program `{command[0]}` is not installed on this computer"
        raise DecisionError("app_source.type", command[0], problem, f"Install {command[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise DecisionError(
            "app_source.url", command[-1], f"no answer within {TIMEOUT} s", "Try again later"
        ) from error
    said = done.stderr.decode(errors="replace")
    return subprocess.CompletedProcess(command, done.returncode, os.fsdecode(done.stdout), said)


def disk_is_full(output: str) -> bool:
    """Return whether a program says that it could not write for want of room."""
    return any(os.strerror(number) in output for number in FULL)


def full_disk(folder: Path) -> SamestackError:
    """Return the error about this computer's disk."""
    return SamestackError(
        f"The disk of {folder} on this computer is full: the source could not be written there. Nothing was deployed, "
        "and nothing of it is left.",
        "Make room and run the same command again. What was fetched and packed before, in that folder, may be removed.",
    )
