"""Where a release lives on a host."""

from __future__ import annotations

import os
from typing import Any

from ..common.errors import HostError
from ..common.files import read_json

#: What a release is called whose source is a folder of the control node
LIVE_CODE = "live-code"


class Place:
    """Where one release of one application lives on this host."""

    def __init__(self, root: str, release: str) -> None:
        """Take the application's folder (/srv/<app>) and the release's id; raises HostError for what can be none."""
        # Whoever says it, another host perhaps: what is not one name leads elsewhere.
        if "/" in release or release in (".", ".."):
            raise HostError(f"{release[:80]!r} cannot be the name of a release.")
        self.root = root
        self.id = release
        self.releases = os.path.join(root, "releases")
        self.folder = os.path.join(self.releases, release)
        self.venvs = os.path.join(root, "venvs")
        self.current_link = os.path.join(root, "current")

    def path(self, *parts: str) -> str:
        """Return a path inside the release."""
        return os.path.join(self.folder, *parts)

    @property
    def names(self) -> list[str]:
        """Return the names of all releases here; a link is the name of a second instance of one of them."""
        if not os.path.isdir(self.releases):
            return []
        with os.scandir(self.releases) as entries:
            return sorted(entry.name for entry in entries if not entry.is_symlink())

    @property
    def finished(self) -> dict[str, Any] | None:
        """Return the content of release.json, which is written last; None while there is none."""
        return read_json(self.path("release.json"))

    @property
    def current(self) -> str:
        """Return the id of the release that `current` names, "" before the first."""
        try:
            return os.path.basename(os.readlink(self.current_link))
        except OSError:
            return ""

    @property
    def live_folder(self) -> str:
        """Return the folder with live code, "" for a real release."""
        source = self.path("source")
        return os.path.realpath(source) if os.path.islink(source) else ""
