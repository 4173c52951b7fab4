"""The small verbs on a host: freeze and unfreeze, accept, maintenance, and what there is to see.

Each leaves a line in the ledger, and none where it changes nothing. They take no lock: an environment can be frozen and
its site be closed while a deployment is at work.
"""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

from ..common import maintenance_page, recorder
from ..common.errors import HostError
from ..common.files import read_json, write_atomic
from ..common.ledger import Run, accepted_releases, described, is_locked, read_ledger
from ..release.place import LIVE_CODE, Place
from ..release.state import status
from ..system import undo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SITE_FILE = "/etc/nginx/conf.d/samestack.conf"
Answer = tuple[bool, list[str]]


class Environment:
    """One host of an environment, and the run that changes it."""

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
    def dirty(self) -> list[str]:
        """Return the files of the release that serves that are not what was built; every byte is read."""
        current = self.place.current
        place = Place(self.place.root, current)
        if not current or place.live_folder or not place.finished:
            return []
        return [f"{path} ({kind})" for kind, paths in status.dirty(place).items() for path in sorted(paths)]

    def freeze(self, message: str) -> Answer:
        """Close the environment for all runs that change it."""
        before = self.frozen
        if before and before.get("message", "") == message:
            return False, [f"{self.name} is frozen already, by {before.get('who')}"]
        content = {"who": self.run.given.get("who", ""), "since": time.time(), "message": message}
        os.makedirs(self.run.folder, mode=0o755, exist_ok=True)
        write_atomic(self.freeze_file, json.dumps(content))
        self.run.succeed(**({"message": message} if message else {}))
        say = [f"{self.name} is frozen" + (f": {message}" if message else "")]
        if self.holder:
            say.append(f"A run that is at work finishes: {described(self.holder)}")
        return True, say

    def unfreeze(self, _message: str) -> Answer:
        """Open it again."""
        before = self.frozen
        if not before:
            return False, [f"{self.name} is not frozen"]
        os.unlink(self.freeze_file)
        self.run.succeed()
        return True, [f"{self.name} is open again (frozen by {before.get('who')})"]

    def accept(self, message: str) -> Answer:
        """Record that somebody has looked at the release that serves, and finds it good."""
        live = self.live
        if not live:
            raise HostError(
                f"there is nothing to accept: no release serves on {self.name} yet", "Deploy one first: `make deploy`."
            )
        if live["release"] == LIVE_CODE:
            raise HostError(
                f"there is nothing to accept: {self.name} serves live code, which is no release",
                "Accept what staging serves: `make accept ENV=staging`.",
            )
        name = live["release"] + (f" ({live['label']})" if live.get("label") else "")
        before = accepted_releases(read_ledger(self.run.folder)).get(live["release"])
        if before and before.get("sha256") == live.get("sha256"):
            return False, [f"Release {name} was accepted by {before.get('who')} at {before.get('time')}"]
        self.run.succeed(accepted=True, **live, **({"message": message} if message else {}))
        return True, [f"Release {name} is accepted"]

    def close(self, message: str) -> Answer:
        """Show the maintenance page."""
        try:
            with open(self.site, encoding="utf-8") as file:
                knows = self.page in file.read()
        except OSError:
            knows = False
        if not knows:
            raise HostError("nginx on this host knows no maintenance page yet", "Run `make provision`, then again.")
        if not maintenance_page.on(message, path=self.page):
            return False, ["The maintenance page is shown already"]
        self.run.succeed(on=True, message=maintenance_page.message(self.page))
        return True, ["Visitors see the maintenance page: " + maintenance_page.message(self.page)]

    def open(self, _message: str) -> Answer:
        """Take the maintenance page away."""
        if not maintenance_page.off(path=self.page):
            return False, ["The maintenance page is not shown"]
        self.run.succeed(on=False)
        return True, ["Visitors see the site again"]

    def provisioned(self, message: str) -> Answer:
        """Record that this run changed the machine, where it did, and what is there now.

        With a message, that it came to no good end. What it replaced is kept by its name.
        """
        changed = self.run.id and os.path.isdir(undo.run_folder(self.run.id))
        files = undo.kept_files(self.run.id) if changed else []
        found = {**({"files": len(files)} if files else {}), **self.raised}
        if message:
            self.run.fail(message, **found)
        elif found:
            self.run.succeed(**found)
        return False, recorder.record(self.run.given)

    def upgraded(self, trouble: str) -> Answer:
        """Record which packages this run raised, what went wrong then, and what is there now."""
        if trouble:
            self.run.fail(trouble, **self.raised)
        elif self.raised:
            self.run.succeed(**self.raised)
        return False, recorder.record(self.run.given)

    @property
    def raised(self) -> dict[str, Any]:
        """Return what the ledger is to say of the packages that were raised; {} where none was."""
        raised = {name: " → ".join(versions) for name, versions in self.packages.items()}
        return {"packages": len(raised), "raised": raised} if raised else {}

    def show(self) -> dict[str, Any]:
        """Return what there is to see; nothing is changed."""
        shown = maintenance_page.is_on(self.page)
        return {
            "live": self.live,
            "kept": kept(self.place),
            "dirty": self.dirty,
            "frozen": self.frozen,
            "holder": self.holder,
            "maintenance": {"message": maintenance_page.message(self.page), "since": os.path.getmtime(self.page)}
            if shown
            else {},
            "lines": read_ledger(self.run.folder),
        }

    def verbs(self) -> Mapping[str, Callable[[str], Answer]]:
        """Return what each verb does."""
        return {
            "freeze": self.freeze, "unfreeze": self.unfreeze, "accept": self.accept, "close": self.close,
            "open": self.open, "provisioned": self.provisioned,
            "upgraded": self.upgraded,
        }  # fmt: skip


def kept(place: Place) -> list[str]:
    """Return the ids of the complete releases on this host."""
    try:
        names = sorted(os.listdir(place.releases))
    except OSError:
        return []
    return [name for name in names if name != LIVE_CODE and Place(place.root, name).finished]
