"""Puts back what somebody changed of a release by hand, from its archive: path by path, while it serves."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

from ...common.errors import HostError, disk_error
from ...common.files import point, write_atomic
from ..files import contents
from ..files.archive import MODES, make_folders, write
from ..place import Place
from . import status

if TYPE_CHECKING:
    from collections.abc import Iterable

UNFINISHED = ".repaired"


def changed_paths(place: Place) -> list[str]:
    """Return what somebody changed of a release, `path (kind)` each; raises HostError where it is none."""
    if place.live_folder:
        raise HostError("Live code serves here, which is there to be changed.", "Deploy a release first.")
    if not place.finished and not os.path.isfile(place.path(contents.LIST)):
        raise HostError("No release serves here.", "Deploy one first.")
    listed = contents.Contents.read(place.path(contents.LIST))
    served = bool(listed and listed.venv and serves_packages(place, listed.venv[0]))
    found = status.dirty(place, packages=not served)
    return [f"{path} ({kind})" for kind, paths in found.items() for path in paths]


def serves_packages(place: Place, vid: str) -> bool:
    """Return whether the live release is another one with the same environment: its own repair mends that."""
    live = Place(place.root, place.current)
    folder = os.path.realpath(os.path.join(place.venvs, vid))
    return live.id not in ("", place.id) and os.path.realpath(live.path(contents.VENV)) == folder


def put_back(place: Place, archive: str, venv_archive: str, sha256: str) -> None:
    """Make a release and its environment equal their archives again, to the last byte; raises HostError.

    Each path is renamed into its place, so that a run that is cut off leaves the rest to the next one.
    """
    try:
        parcel = contents.Archive(archive, sha256)
        vid, venv_sha256 = parcel.contents.venv or ("none", "")
        venv = os.path.join(place.venvs, vid)
        packages = contents.Archive(venv_archive, venv_sha256)
        if not serves_packages(place, vid):
            restore(packages, venv)
            write_atomic(venv + ".contents", packages.contents.text)
        restore(parcel, place.folder, contents.BESIDE)
        point(place.path(contents.VENV), os.path.join("..", "..", "venvs", vid))
        write_atomic(place.path(contents.LIST), parcel.contents.text)
        write_atomic(place.path(contents.BUILD), json.dumps(parcel.build, indent=1) + "\n")
    except contents.DamageError as error:
        raise HostError(f"Release {place.id} was not put back: {error}.", "Run the same command again.") from error
    except OSError as error:
        raise disk_error(error, place.root) from error


def restore(parcel: contents.Archive, folder: str, beside: Iterable[str] = ()) -> None:
    """Write the paths of a folder that differ from the archive, and remove what it does not list."""
    found = contents.differences(folder, parcel.contents, beside)
    wanted = {*found.get("changed", []), *found.get("missing", [])}
    for path in found.get("added", []):
        remove(os.path.join(folder, path))
        for above in contents.parents(path):
            # Folders are listed where nothing is in them; others are there for what they hold.
            if above in parcel.contents.entries or os.listdir(os.path.join(folder, above)):
                break
            os.rmdir(os.path.join(folder, above))
    for member in parcel.files():
        if member.path in wanted:
            put(member, os.path.join(folder, member.path))


def put(member: contents.Member, target: str) -> None:
    """Write one path; what is there is replaced, never written into: equal files of other releases share it."""
    unfinished = target + UNFINISHED
    make_way(os.path.dirname(target))
    remove(unfinished)
    if member.mode == contents.LINK:
        os.symlink(member.target, unfinished)
    elif member.mode == contents.FOLDER:
        remove(target)
        make_folders(target)
        return
    else:
        mode = MODES[member.mode]
        write(unfinished, member.chunks(), mode, member.time)
    if os.path.isdir(target) and not os.path.islink(target):
        remove(target)
    os.replace(unfinished, target)


def make_way(folder: str) -> None:
    """Let a folder be one, where somebody put something else in its place or took it away."""
    if os.path.isdir(folder) and not os.path.islink(folder):
        return
    if os.path.lexists(folder):
        remove(folder)
    make_way(os.path.dirname(folder))
    make_folders(folder)


def remove(path: str) -> None:
    """Remove whatever is at a path."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
