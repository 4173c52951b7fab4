"""Seals what was built: root's, listed with the digest of every byte, equal files stored once, complete at last."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import stat
import time
from typing import TYPE_CHECKING, Any

from ...common.files import write_atomic
from .. import environment
from ..place import Place
from . import archive, contents, static_history

if TYPE_CHECKING:
    from ..building import Building

Contents = contents.Contents
# 1980: the earliest time that zip files and Python's byte-code can both hold
FIXED_TIME = 315532800
# What Python reads of an environment's own description; the rest changes with every patch of Python or of uv.
KEPT_SETTINGS = ("home", "include-system-site-packages")


def give_tree(top: str, uid: int, gid: int) -> None:
    """Give a folder and everything in it to somebody; links themselves, never what they point at."""
    os.lchown(top, uid, gid)
    for current, folders, files in os.walk(top):
        for name in folders + files:
            os.lchown(os.path.join(current, name), uid, gid)


def seal_tree(top: str, modified: int | None = None) -> None:
    """Give a folder to root: folders 0755, files 0644 or 0755, all files of one time where that is given."""
    os.lchown(top, 0, 0)
    for current, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(current, name)
            status = os.lstat(path)
            if status.st_uid or status.st_gid:
                os.lchown(path, 0, 0)
            if stat.S_ISLNK(status.st_mode):
                continue
            executable = stat.S_ISDIR(status.st_mode) or status.st_mode & 0o100
            mode = 0o755 if executable else 0o644
            if stat.S_IMODE(status.st_mode) != mode:
                os.chmod(path, mode)
            if modified is not None:
                os.utime(path, (modified, modified))


def live_donor(place: Place) -> archive.Donor:
    """Return the release that is live as a giver of equal files; the newest, where none is."""
    live = Place(place.root, place.current or newest(place))
    return archive.Donor(live.folder, Contents.read(live.path(contents.LIST)))


def newest(place: Place) -> str:
    """Return the id of the release that was built or unpacked last, "none" without any."""
    with contextlib.suppress(OSError), os.scandir(place.releases) as entries:
        lists: list[str] = [os.path.join(entry.path, contents.LIST) for entry in entries]
        found = [path for path in lists if os.path.isfile(path)]
        if found:
            return os.path.basename(os.path.dirname(max(found, key=os.path.getmtime)))
    return "none"


def venv_donor(place: Place) -> archive.Donor:
    """Return the environment of that release as a giver of equal files."""
    live = Place(place.root, place.current or newest(place))
    try:
        link = os.readlink(live.path("venv"))
    except OSError:
        link = ""
    folder = os.path.join(place.venvs, os.path.basename(link) or "none")
    return archive.Donor(folder, Contents.read(folder + ".contents"))


def seal_venv(folder: str, donor: archive.Donor) -> None:
    """Seal an environment; the list beside it says that it is complete."""
    seal_tree(folder)
    path = os.path.join(folder, "pyvenv.cfg")
    with open(path, encoding="utf-8") as file:
        lines = [line for line in file if line.split("=")[0].strip() in KEPT_SETTINGS]
    write_atomic(path, "".join(lines))
    listed = Contents(contents.read_tree(folder))
    archive.share(folder, listed, donor)
    os.sync()
    write_atomic(folder + ".contents", listed.text)


def seal_release(builder: Building) -> None:
    """Seal a release; release.json, written last, says that it is complete."""
    place, release = builder.place, builder.release
    modified = int(release.get("time") or time.time())
    for name in ("source", "static"):
        seal_tree(place.path(name), modified)
    write_atomic(place.path("release.env"), environment.file_text(builder))
    record = json.dumps(builder.record(), indent=1, sort_keys=True) + "\n"
    entries = contents.read_tree(place.folder, contents.BESIDE)
    entries["release.json"] = (contents.FILE, contents.text_digest(record))
    venv = Contents.read(builder.venv + ".contents")
    listed = Contents(entries, (release["vid"], venv.sha256 if venv else ""))
    archive.share(place.folder, listed, live_donor(place))
    write_atomic(place.path(contents.LIST), listed.text)
    built = build_record(builder, listed.sha256, modified)
    write_atomic(place.path(contents.BUILD), json.dumps(built, indent=1) + "\n")
    finish(place, record)


def seal_live(builder: Building) -> None:
    """Seal what live code runs with; the code itself is its owner's."""
    for name in ("static", "venv"):
        seal_tree(builder.place.path(name))
    write_atomic(builder.place.path("release.env"), environment.file_text(builder))
    built = build_record(builder, "", int(time.time()))
    write_atomic(builder.place.path(contents.BUILD), json.dumps(built, indent=1) + "\n")
    finish(builder.place, json.dumps(builder.record(), indent=1, sort_keys=True) + "\n")


def build_record(builder: Building, sha256: str, modified: int) -> dict[str, Any]:
    """Return what is known of a build and decides nothing."""
    release = builder.release
    return {
        "sha256": sha256,
        "vid": release.get("vid", ""),
        "built": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "by": builder.params["run"].get("who", ""),
        "host": platform.node(),
        "label": release.get("label", ""),
        "commit": release.get("commit", ""),
        "commits": builder.params["commits"],
        "time": modified,
        "python": platform.python_version(),
        "steps": builder.steps.done,
        **builder.found,
    }


def finish(place: Place, record: str) -> None:
    """Write release.json when everything else is on the disk."""
    os.sync()
    write_atomic(place.path("release.json"), record)
    # Pages of another host that switches first ask this one for its files.
    static_history.announce(place.root, place.id)
