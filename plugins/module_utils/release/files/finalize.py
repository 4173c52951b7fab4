"""Seals what was built: root's, listed with the digest of every byte, equal files stored once, complete at last."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import time
from typing import TYPE_CHECKING, Any

from ...common.errors import HostError
from ...common.files import point, write_atomic
from .. import environment, writable
from ..place import Place
from . import archive, contents, live_code, static_history
from .tree_copy import TreeCopy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..building import Building

Contents = contents.Contents
# 1980: the earliest time that zip files and Python's byte-code can both hold
FIXED_TIME = 315532800
# What Python reads of an environment's own description; the rest changes with every patch of Python or of uv.
SETTINGS = "pyvenv.cfg"
KEPT_SETTINGS = ("home", "include-system-site-packages")


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


def seal_venv(source: str, folder: str, owner: int, donor: archive.Donor) -> None:
    """Seal an environment that somebody made; the list beside it says that it is complete."""
    entries = TreeCopy(folder, owner=owner, donor=donor).take(source)
    path = os.path.join(folder, SETTINGS)
    with open(path, encoding="utf-8") as file:
        kept = "".join(line for line in file if line.split("=")[0].strip() in KEPT_SETTINGS)
    write_atomic(path, kept)
    entries[SETTINGS] = (contents.FILE, contents.text_digest(kept))
    os.sync()
    write_atomic(folder + ".contents", Contents(entries).text)


def seal_release(builder: Building) -> None:
    """Seal a release; release.json, written last, says that it is complete."""
    place, release = builder.place, builder.release
    modified = int(release.get("time") or time.time())
    donor = live_donor(place)
    entries: dict[str, tuple[str, str]] = {}
    for name in ("source", "static", *([writable.INITIAL] if builder.writable_paths else [])):
        copy = TreeCopy(
            place.path(name), owner=builder.sandbox.uid, donor=donor, prefix=name + "/", time=modified,
            spare=builder.params["min_free"] // 2,
        )  # fmt: skip
        entries |= copy.take(builder.sandbox.path(name))
    refuse_ways_out(place, builder.venv, [path for path, (mode, _digest) in entries.items() if mode == contents.LINK])
    values = environment.file_text(builder)
    write_atomic(place.path("release.env"), values)
    record = json.dumps(builder.record(), indent=1, sort_keys=True) + "\n"
    entries["app"] = (contents.LINK, contents.text_digest(os.readlink(place.path("app"))))
    entries["release.env"] = (contents.FILE, contents.text_digest(values))
    entries["release.json"] = (contents.FILE, contents.text_digest(record))
    venv = Contents.read(builder.venv + ".contents")
    listed = Contents(entries, (release["vid"], venv.sha256 if venv else ""))
    write_atomic(place.path(contents.LIST), listed.text)
    built = build_record(builder, listed.sha256, modified)
    write_atomic(place.path(contents.BUILD), json.dumps(built, indent=1) + "\n")
    finish(place, record)


def refuse_ways_out(place: Place, venv: str, links: Iterable[str]) -> None:
    """Raise HostError for a link that leads out of the release, by what it says.

    Among the static files, which anybody may ask for, by where it ends, too: `collectstatic --link` makes links to
    files of the source and of packages; a folder there may have other links.
    """
    static = os.path.realpath(place.path("static")) + os.sep
    inside = (os.path.realpath(place.folder) + os.sep, os.path.realpath(venv) + os.sep)
    for link in links:
        leads, target = os.path.realpath(place.path(link)), os.readlink(place.path(link))
        if not link.startswith("static/") and not contents.stays_inside(link, target):
            raise HostError(
                f"{link} is a link that leads out of it, to {target[:200]}: other hosts do not have that.",
                "Put the file itself there, or a relative link to a file of the release (`ln -sr`).",
            )
        if not link.startswith("static/") or leads.startswith(static):
            continue
        if not (leads.startswith(inside) and os.path.isfile(leads)):
            raise HostError(
                f"{link} is a link that leads out of the release's static files, to {leads[:200]}.",
                "Put the file itself there, or a link to a file of the release.",
            )


def seal_live(builder: Building) -> None:
    """Let live code run with what was made for it; the code itself is its owner's."""
    place, uid = builder.place, builder.sandbox.uid
    live_code.keep(place)
    folder, new, old = (place.path("static" + ending) for ending in ("", ".new", ".old"))
    for left in (new, old):
        shutil.rmtree(left, ignore_errors=True)
    TreeCopy(new, owner=uid, donor=archive.NOBODY).take(builder.sandbox.path("static"))
    os.rename(folder, old)
    os.rename(new, folder)
    shutil.rmtree(old)
    link = place.path("venv")
    if os.path.isdir(link) and not os.path.islink(link):
        # An earlier version kept the packages of live code there.
        os.rename(link, place.path("venv.old"))
    point(link, os.path.join("..", "..", "venvs", os.path.basename(builder.venv)))
    write_atomic(place.path("release.env"), environment.file_text(builder))
    built = build_record(builder, "", int(time.time()))
    write_atomic(place.path(contents.BUILD), json.dumps(built, indent=1) + "\n")
    finish(place, json.dumps(builder.record(), indent=1, sort_keys=True) + "\n")


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
        "said": builder.said,
        **builder.found,
    }


def finish(place: Place, record: str) -> None:
    """Write release.json when everything else is on the disk."""
    os.sync()
    write_atomic(place.path("release.json"), record)
    # Pages of another host that switches first ask this one for its files.
    static_history.announce(place.root, place.id)
