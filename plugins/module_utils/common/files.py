"""Files and links of root's that are there whole or not at all; `folders` says which ways lead to them."""

from __future__ import annotations

import json
import os
import stat
from typing import Any

from .folders import parent_of, read_file
from .held_folder import Rights

#: What root makes is for everybody to read, unless its mode says otherwise.
UMASK = 0o022


def usual_umask() -> None:
    """Make files as root does on a fresh system, whatever the login's umask: hardened hosts give 027 or 077.

    Every module of ours begins with it; what it starts, uv and pg_dump among it, inherits it.
    """
    os.umask(UMASK)


def read_json(path: str) -> dict[str, Any] | None:
    """Return a file's JSON, None when it is not there or not whole; raises PathError for somebody else's."""
    try:
        content: dict[str, Any] = json.loads(read_file(path))
    except (OSError, ValueError):
        return None
    return content


def write_atomic(path: str, content: str, mode: int = 0o644) -> bool:
    """Write a text file that is there whole or not at all; returns whether it differs from before.

    Raises PathError where its folder is somebody else's, and OSError.
    """
    folder, name = parent_of(path)
    wanted = content.encode()
    with folder:
        status = folder.status(name)
        same = status and (stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode)) == (stat.S_IFREG, mode)
        if same and status and folder.read(name, max(len(wanted), status.st_size)) == wanted:
            return False
        folder.write(name, wanted, Rights(mode), sync=True)
    return True


def point(link: str, target: str) -> bool:
    """Make a symbolic link point at the target by renaming a new one over it; returns whether that changed it.

    Raises PathError where its folder is somebody else's, and OSError.
    """
    folder, name = parent_of(link)
    with folder:
        if folder.readlink(name) == target:
            return False
        folder.point(name, target)
    return True
