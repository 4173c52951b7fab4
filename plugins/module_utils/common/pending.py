"""What is still to happen to an application on this host, in files, so that a run that was cut off is finished.

`owed/<app>`: something that its processes run with changed (an environment file, a unit); they shall be renewed.
`paused/<app>`: its processes are stopped on purpose, also after a boot; the next release that serves ends that.
"""

from __future__ import annotations

import os

from .folders import PRIVATE, make_folder, remove
from .held_folder import Rights
from .paths import STATE

FOLDER = STATE


def touch(path: str) -> None:
    """Write an empty file anew."""
    with make_folder(os.path.dirname(path), PRIVATE) as folder:
        folder.write(os.path.basename(path), b"", Rights(0o600))


class Owed:
    """Whether an application's processes have to take up a change."""

    def __init__(self, app: str) -> None:
        """Take the application's name; what is owed later than now is not part of this."""
        self.path = os.path.join(FOLDER, "owed", app)
        self.seen = self.time()

    def time(self) -> int | None:
        """Return when the file was written (nanoseconds), None while there is none."""
        try:
            return os.stat(self.path).st_mtime_ns
        except OSError:
            return None

    @property
    def due(self) -> bool:
        """Return whether something is owed."""
        return self.seen is not None

    def add(self) -> None:
        """Note that something changed."""
        touch(self.path)

    def done(self) -> None:
        """Forget it, unless it was asked for again meanwhile."""
        if self.due and self.time() == self.seen:
            remove(self.path)


def pause_file(app: str) -> str:
    """Return the file that keeps an application stopped."""
    return os.path.join(FOLDER, "paused", app)


def is_paused(app: str) -> bool:
    """Return whether an application is stopped on purpose."""
    return os.path.exists(pause_file(app))


def paused(app: str) -> None:
    """Keep an application stopped."""
    touch(pause_file(app))


def resumed(app: str) -> None:
    """End that."""
    remove(pause_file(app))
