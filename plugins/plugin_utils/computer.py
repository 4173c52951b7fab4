"""What all projects on a computer share: base boxes, the local authority, which addresses are whose.

The standard library only: programs of box/ use it before there are tools.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def computer_folder() -> Path:
    """Return the folder of this computer's user for what belongs to no single project."""
    given = os.environ.get("XDG_DATA_HOME", "")
    # The specification wants a relative one ignored.
    data = Path(given) if given.startswith("/") else Path.home() / ".local" / "share"
    return data / "samestack"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other runs of this user away from a folder meanwhile; it is made where there is none."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
