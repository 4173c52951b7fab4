"""One host of an environment: what serves there, what is kept, who closed or holds it. Nothing here changes it.

The verbs beside this file do. Each leaves a line in the ledger, and none where it changes nothing. They take no lock:
an environment can be frozen and its site be closed while a deployment is at work.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..common import maintenance_page
from ..common.files import read_json
from ..common.ledger import is_locked, read_ledger
from ..release.place import LIVE_CODE, Place
from ..release.state import status
from ..watch.memory import Memory
from ..watch.traffic import with_traffic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..common.ledger import Run

SITE_FILE = "/etc/nginx/conf.d/samestack.conf"
#: Whether a verb changed something, and what it says
Answer = tuple[bool, list[str]]


class Environment:
    """One host of an environment, and the run that looks at it or changes it."""

    def __init__(self, run: Run, root: str, page: str = maintenance_page.PAGE, site: str = SITE_FILE) -> None:
        """Take the run, the application's folder, and where the maintenance page and the site's configuration are."""
        self.run = run
        self.name = str(run.given.get("environment", ""))
        self.place = Place(root, "")
        self.page = page
        self.site = site
        # What an upgrade raised: package to (version before, after)
        self.packages: Mapping[str, Any] = {}
        self.freeze_file = os.path.join(run.folder, "freeze.json")

    @property
    def frozen(self) -> dict[str, Any]:
        """Return who froze the environment, since when and why; {} when it is open."""
        return read_json(self.freeze_file) or {}

    @property
    def holder(self) -> dict[str, Any]:
        """Return who holds the deploy lock, {} when nobody does or it is kept on another host."""
        held = is_locked(os.path.join(self.run.scratch, "lock"))
        return (read_json(os.path.join(self.run.scratch, "lock.json")) or {}) if held else {}

    @property
    def live(self) -> dict[str, Any]:
        """Return what is known of the release that serves: id, sha256, label; {} when there is none."""
        current = self.place.current
        if not current:
            return {}
        place = Place(self.place.root, current)
        build = read_json(place.path("build.json")) or {}
        return {"release": current} | {name: build[name] for name in ("sha256", "label") if build.get(name)}

    @property
    def kept(self) -> list[str]:
        """Return the ids of the complete releases on this host."""
        return [name for name in self.place.names if name != LIVE_CODE and Place(self.place.root, name).finished]

    @property
    def dirty(self) -> list[str]:
        """Return the files of the release that serves that are not what was built; every byte is read."""
        current = self.place.current
        place = Place(self.place.root, current)
        if not current or place.live_folder or not place.finished:
            return []
        return [f"{path} ({kind})" for kind, paths in status.dirty(place).items() for path in sorted(paths)]

    @property
    def maintenance(self) -> dict[str, Any]:
        """Return what the maintenance page tells visitors, and since when; {} when it is not shown."""
        if not maintenance_page.is_on(self.page):
            return {}
        return {"message": maintenance_page.message(self.page), "since": os.path.getmtime(self.page)}

    def show(self) -> dict[str, Any]:
        """Return what there is to see."""
        watched = Memory.read(os.path.join(self.run.folder, "watch", "memory.json"))
        return {
            "live": self.live,
            "kept": self.kept,
            "dirty": self.dirty,
            "frozen": self.frozen,
            "holder": self.holder,
            "maintenance": self.maintenance,
            "lines": with_traffic(read_ledger(self.run.folder), watched.periods),
        }
