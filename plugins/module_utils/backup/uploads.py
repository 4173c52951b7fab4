"""The application's files go back to a moment, on the host that has them; what was there is kept beside.

A copy is of the moment at which it was made. What came between it and the moment to go back to is still in what is
there now: a file that is older than the moment is taken from there, because rows of that moment name it.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import time
from typing import TYPE_CHECKING, Any

from ..common import folders
from ..common.errors import HostError
from ..common.files import read_json, write_atomic
from ..common.folders import PRIVATE, make_folder
from ..common.held_folder import ANYBODY, MOST_FOLDERS
from ..common.ledger import ledger_file
from ..release.interpreter import brought_by
from ..release.place import Place
from . import settings as places
from .restic import Restic, moment_of, release_of
from .settings import Settings, read, read_lines, secrets

if TYPE_CHECKING:
    from ..common.held_folder import Folder

STATE = f"{places.KEPT}/uploads.json"


class Uploads:
    """The way back of an application's files."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings."""
        self.settings = settings
        self.shared = os.path.join(settings.root, "shared")

    def target(self) -> tuple[Restic, list[dict[str, Any]]]:
        """Return the first place that has copies, and those, the oldest first; raises HostError."""
        known, troubles = secrets(), []
        # What is off the machine comes first: it may be all that is left.
        for one in sorted(self.settings.uploads["targets"], key=lambda one: not one["off_machine"]):
            restic = Restic.of(one, known)
            try:
                copies = restic.snapshots("--no-lock")
            except HostError as error:
                troubles.append(f"{one['name']}: {error}")
                continue
            if copies:
                return restic, copies
            troubles.append(f"{one['name']}: there is no copy")
        raise HostError(
            "The uploads' copies cannot be had. " + "; ".join(troubles), "`./samestack backups` shows more."
        )

    def remember(self) -> str:
        """Bring back what was known of backups and in the ledger, on a host that has forgotten; returns the release.

        Lines that the host has written since it was made stay behind them. Raises HostError.
        """
        restic, copies = self.target()
        coming = os.path.join(places.KEPT, "coming")
        folders.remove(coming)
        make_folder(coming, PRIVATE).close()
        kept = (places.MOMENTS, places.POINTS, ledger_file())
        restic.restore(str(copies[-1]["id"]), coming, kept)
        for path in kept:
            lines = read_lines(coming + path)
            own = [line for line in read_lines(path) if line not in lines]
            write_atomic(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in [*lines, *own]), 0o600)
        folders.remove(coming)
        return release_of(copies[-1])

    def plan(self, moment: float, release: str) -> dict[str, Any]:
        """Return which copy is for a moment, and where the release's code is; raises HostError."""
        _, copies = self.target()
        before = [copy for copy in copies if moment_of(copy) <= moment]
        # Better a copy that is a little too new than none: files that are too much hurt nobody.
        chosen = before[-1] if before else copies[0]
        live = Place(self.settings.root, "").current
        wanted = release or live
        there = bool(wanted and Place(self.settings.root, wanted).finished)
        kept = next((copy for copy in reversed(copies) if release_of(copy) == wanted), None)
        return {
            "snapshot": str(chosen["id"]), "moment": moment_of(chosen), "time": moment, "live": live,
            "release": wanted if there or kept else live, "wanted": wanted, "there": there,
            "code": str(kept["id"]) if wanted and kept and not there else "",
        }  # fmt: skip

    def release(self, name: str) -> dict[str, Any]:
        """Return what the steps of a deployment need of a release, an empty `id` where none was ever served.

        Raises HostError where it is not here.
        """
        if not name:
            return {"id": ""}
        place = Place(self.settings.root, name)
        if not place.finished:
            raise HostError(f"Release {name} is not on this host.")
        built = read_json(place.path("build.json")) or {}
        return {
            "id": name, "sha256": built.get("sha256", ""), "label": built.get("label", ""), "commits": [],
            "migrations": [], "environment": place.finished.get("environment", {}),
            "python": brought_by(place.finished),
        }  # fmt: skip

    def run(self, plan: dict[str, Any]) -> list[str]:
        """Bring files and, where it is gone, code back; returns what there is to say. Raises HostError."""
        restic, _ = self.target()
        said = []
        if plan["code"]:
            self.restore_code(restic, plan)
            said.append(f"Release {plan['release']} came out of the backup")
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        coming = os.path.join(self.settings.root, f"shared.coming-{stamp}")
        replaced = os.path.join(self.settings.root, f"shared.replaced-{stamp}")
        kept = self.tidy_up()
        write_atomic(STATE, json.dumps({"step": "coming", "coming": coming, "kept": kept}), 0o600)
        make_folder(coming, PRIVATE).close()
        wanted = list(self.settings.uploads["folders"])
        restic.restore(plan["snapshot"], coming, wanted)
        make_folder(replaced, PRIVATE).close()
        going = {"step": "replacing", "replaced": replaced, "coming": coming, "kept": kept}
        write_atomic(STATE, json.dumps(going), 0o600)
        added = 0
        for path in wanted:
            fresh, name = coming + path, os.path.basename(path)
            if not os.path.isdir(fresh):
                continue
            if os.path.isdir(path) and not os.path.islink(path):
                os.rename(path, os.path.join(replaced, name))
                added += add_newer(os.path.join(replaced, name), fresh, plan["moment"], plan["time"])
            os.rename(fresh, path)
        shutil.rmtree(coming, ignore_errors=True)
        write_atomic(STATE, json.dumps({"step": "done", "fresh": True, "kept": [*kept, replaced]}), 0o600)
        more = f", {added} files of the time until then added" if added else ""
        return [*said, f"Uploads are those of {stamped(plan['moment'])}{more}; what was there is in {replaced}"]

    def restore_code(self, restic: Restic, plan: dict[str, Any]) -> None:
        """Bring a release that is not on this host back as it was, with its packages; raises HostError."""
        coming = os.path.join(self.settings.root, "releases.coming")
        folders.remove(coming)
        make_folder(coming, PRIVATE).close()
        names = [os.path.join(self.settings.root, name) for name in ("releases", "venvs")]
        restic.restore(plan["code"], coming, names)
        for parent in names:
            fresh = coming + parent
            for name in os.listdir(fresh) if os.path.isdir(fresh) else []:
                place = os.path.join(parent, name)
                if not os.path.lexists(place):
                    make_folder(parent).close()
                    os.rename(os.path.join(fresh, name), place)
        folders.remove(coming)

    def tidy_up(self) -> list[str]:
        """Take away what a run that was cut off has left, and give back what it had moved aside.

        Returns what is kept of earlier runs: also what that one had replaced already, which is not there again.
        """
        left = read(STATE)
        kept, replaced = [str(path) for path in left.get("kept") or []], str(left.get("replaced", ""))
        if left.get("step") == "replacing" and os.path.isdir(replaced):
            for name in os.listdir(replaced):
                place = os.path.join(self.shared, name)
                if not os.path.lexists(place):
                    os.rename(os.path.join(replaced, name), place)
            kept.append(replaced)
        if left.get("coming"):
            folders.remove(str(left["coming"]))
        return kept


def stamped(seconds: float) -> str:
    """Return a moment in words."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def add_newer(source: str, target: str, after: float, until: float) -> int:
    """Copy files that were written after one moment and until another into what comes; returns how many.

    Whoever owns the folders may have put links into them: none is followed.
    """
    with folders.open_folder(source, ANYBODY) as old, folders.open_folder(target, ANYBODY) as fresh:
        return add(old, fresh, after, until, 0)


def add(old: Folder, fresh: Folder, after: float, until: float, depth: int) -> int:
    """Do that for one folder and those in it; returns how many files were copied."""
    count = 0
    for name in old.names() if depth < MOST_FOLDERS else ():
        status, there = old.status(name), fresh.status(name)
        if status and stat.S_ISDIR(status.st_mode):
            if there is None:
                fresh.make(name, stat.S_IMODE(status.st_mode))
                os.chown(name, status.st_uid, status.st_gid, dir_fd=fresh.descriptor, follow_symlinks=False)
            elif not stat.S_ISDIR(there.st_mode):
                continue
            with old.folder(name) as inner, fresh.folder(name) as below:
                count += add(inner, below, after, until, depth + 1)
        elif status and stat.S_ISREG(status.st_mode) and after < status.st_mtime <= until:
            if there and not stat.S_ISREG(there.st_mode):
                continue
            # What was written last until then is what was there then.
            if there:
                fresh.remove(name)
            copy(old, fresh, name, status)
            count += 1
    return count


def copy(old: Folder, fresh: Folder, name: str, status: os.stat_result) -> None:
    """Copy a file with its owner, its rights and its time."""
    with open(old.open(name), "rb") as source, open(fresh.create(name), "wb") as target:
        shutil.copyfileobj(source, target)
        os.fchown(target.fileno(), status.st_uid, status.st_gid)
        os.fchmod(target.fileno(), stat.S_IMODE(status.st_mode))
        target.flush()
        os.utime(target.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
