"""Files of the control node that are there whole or not at all. The standard library only: tools use it, too."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: str | bytes, mode: int = 0o644) -> None:
    """Replace a file in one step, also when the power fails; its folder is made where there is none.

    Nobody who may not read it in the end can read it before. What is private lies in a private folder, where that is
    made. Raises OSError, and then nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o777 if mode & 0o077 else 0o700)
    # mkstemp opens with mode 0600.
    handle, staged = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(staged).replace(path)
    except BaseException:
        Path(staged).unlink(missing_ok=True)
        raise
