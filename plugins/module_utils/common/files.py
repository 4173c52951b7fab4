"""Files and links that are there whole or not at all."""

from __future__ import annotations

import json
import os
from typing import Any


def read_json(path: str) -> dict[str, Any] | None:
    """Return a file's JSON, None when it is not there or not whole."""
    try:
        with open(path, encoding="utf-8") as handle:
            content: dict[str, Any] = json.load(handle)
            return content
    except (OSError, ValueError):
        return None


def write_atomic(path: str, content: str, mode: int = 0o644) -> bool:
    """Write a text file that is there whole or not at all; returns whether it differs from before."""
    try:
        with open(path, encoding="utf-8") as handle:
            if handle.read() == content:
                return False
    except OSError:
        pass
    unfinished = path + ".new"
    # Private until its mode is known: nobody reads of it what the mode forbids.
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as handle:
        os.fchmod(handle.fileno(), mode)
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(unfinished, path)
    return True


def point(link: str, target: str) -> bool:
    """Make a symbolic link point at the target by renaming a new one over it; returns whether that changed it."""
    try:
        if os.readlink(link) == target:
            return False
    except OSError:
        pass
    unfinished = link + ".new"
    if os.path.lexists(unfinished):
        os.unlink(unfinished)
    os.symlink(target, unfinished)
    os.replace(unfinished, link)
    return True
