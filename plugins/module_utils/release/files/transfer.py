"""A release on its way: packed on the host that has it, unpacked beside the others where it is missing."""

from __future__ import annotations

import json
import os
from typing import Any

from ...common.errors import HostError, disk_error
from ...common.files import point, write_atomic
from ..place import Place
from . import contents, finalize
from .archive import clear, make_folders, pack, unpack

#: Names in the folder where a host packs
RELEASE_PART, VENV_PART = "release.tar.gz", "venv.tar.gz"


def pack_release(place: Place, folder: str, *, with_venv: bool) -> dict[str, Any]:
    """Write a complete release's archives into a folder; returns the digests that they shall have on arrival."""
    listed = contents.Contents.read(place.path(contents.LIST))
    if not place.finished or not listed or not listed.venv:
        raise HostError(f"Release {place.id} is not on this host, or not complete.", "Deploy it here first.")
    vid, venv_sha256 = listed.venv
    with open(place.path(contents.BUILD), "rb") as file:
        build = file.read()
    time = int(json.loads(build).get("time") or finalize.FIXED_TIME)
    pack(place.folder, listed, os.path.join(folder, RELEASE_PART), time, build)
    if with_venv:
        venv = os.path.join(place.venvs, vid)
        packages = contents.Contents.read(venv + ".contents")
        if not packages:
            raise HostError(f"Release {place.id} has lost its environment {venv}.", "Deploy another release first.")
        pack(venv, packages, os.path.join(folder, VENV_PART), finalize.FIXED_TIME)
    return {"sha256": listed.sha256, "vid": vid, "venv_sha256": venv_sha256, "venv_packed": with_venv}


def unpack_release(place: Place, archive: str, venv_archive: str, sha256: str) -> None:
    """Unpack a release beside the others, verified; raises HostError, and then nothing of it is left."""
    venv = ""
    try:
        parcel = contents.Archive(archive, sha256)
        vid, venv_sha256 = parcel.contents.venv or ("none", "")
        venv = os.path.join(place.venvs, vid)
        has = contents.Contents.read(venv + ".contents")
        if not has or has.sha256 != venv_sha256:
            unpack_venv(place, venv, venv_archive, venv_sha256)
        if place.current == place.id:
            raise HostError(f"Release {place.id} serves on this host, with other bytes.", "Deploy another one first.")
        clear(place.folder)
        make_folders(place.folder)
        donor = finalize.live_donor(place)
        record = unpack(parcel, place.folder, donor, skip="release.json")
        point(place.path("venv"), os.path.join("..", "..", "venvs", vid))
        write_atomic(place.path(contents.LIST), parcel.contents.text)
        write_atomic(place.path(contents.BUILD), json.dumps(parcel.build, indent=1) + "\n")
        finalize.finish(place, record.decode())
    except (contents.DamageError, OSError) as error:
        if place.current != place.id:
            clear(place.folder)
        if venv and not os.path.isfile(venv + ".contents"):
            clear(venv)
        if isinstance(error, OSError):
            raise disk_error(error, place.root) from error
        # What the control node calls it, too
        said = str(error).replace(os.path.dirname(archive) + os.sep, "")
        raise HostError(
            f"Release {place.id} was refused: {said}. Nothing of it is left here.", "Run the same command again."
        ) from error


def unpack_venv(place: Place, folder: str, archive: str, sha256: str) -> None:
    """Unpack an environment, verified; raises DamageError, OSError and HostError."""
    if os.path.isfile(folder + ".contents") and users(place, folder):
        raise HostError(
            f"{folder} was built here, with other bytes than the release brings, and {users(place, folder)[0]} runs on "
            "it.",
            "A package was compiled anew on each of the two hosts. Deploy a change of the packages, built once.",
        )
    if not archive:
        raise HostError(f"{folder} is missing, and was not sent along.", "Run this again.")
    parcel = contents.Archive(archive, sha256)
    clear(folder)
    make_folders(folder)
    unpack(parcel, folder, finalize.venv_donor(place))
    os.sync()
    write_atomic(folder + ".contents", parcel.contents.text)


def users(place: Place, venv: str) -> list[str]:
    """Return the complete releases that run on an environment."""
    wanted = os.path.basename(venv)
    found = []
    for name in place.names:
        other = Place(place.root, name)
        link = other.path("venv")
        if os.path.islink(link) and os.path.basename(os.readlink(link)) == wanted and other.finished:
            found.append(name)
    return found
