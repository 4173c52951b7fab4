"""A release on its way: packed on the host that has it, unpacked beside the others where it is missing."""

from __future__ import annotations

import json
import os
from typing import Any

from ansible.module_utils import release_archive, release_contents, release_host, release_seal
from ansible.module_utils.release_host import Place, ReleaseError

#: Names in the folder where a host packs
RELEASE_PART, VENV_PART = "release.tar.gz", "venv.tar.gz"


def pack_release(place: Place, folder: str, *, with_venv: bool) -> dict[str, Any]:
    """Write a complete release's archives into a folder; returns the digests that they shall have on arrival."""
    listed = release_contents.Contents.read(place.path(release_contents.LIST))
    if not place.finished or not listed or not listed.venv:
        raise ReleaseError(f"Release {place.id} is not on this host, or not complete.", "Deploy it here first.")
    vid, venv_sha256 = listed.venv
    with open(place.path(release_contents.BUILD), "rb") as file:
        build = file.read()
    time = int(json.loads(build).get("time") or release_seal.FIXED_TIME)
    release_archive.pack(place.folder, listed, os.path.join(folder, RELEASE_PART), time, build)
    if with_venv:
        venv = os.path.join(place.venvs, vid)
        packages = release_contents.Contents.read(venv + ".contents")
        if not packages:
            raise ReleaseError(f"Release {place.id} has lost its environment {venv}.", "Deploy another release first.")
        release_archive.pack(venv, packages, os.path.join(folder, VENV_PART), release_seal.FIXED_TIME)
    return {"sha256": listed.sha256, "vid": vid, "venv_sha256": venv_sha256, "venv_packed": with_venv}


def unpack_release(place: Place, archive: str, venv_archive: str, sha256: str) -> None:
    """Unpack a release beside the others, verified; raises ReleaseError, and then nothing of it is left."""
    venv = ""
    try:
        parcel = release_contents.Archive(archive, sha256)
        vid, venv_sha256 = parcel.contents.venv or ("none", "")
        venv = os.path.join(place.venvs, vid)
        has = release_contents.Contents.read(venv + ".contents")
        if not has or has.sha256 != venv_sha256:
            unpack_venv(place, venv, venv_archive, venv_sha256)
        if place.current == place.id:
            raise ReleaseError(
                f"Release {place.id} serves on this host, with other bytes.", "Deploy another one first."
            )
        release_archive.clear(place.folder)
        release_archive.make_folders(place.folder)
        donor = release_seal.live_donor(place)
        record = release_archive.unpack(parcel, place.folder, donor, skip="release.json")
        release_host.point(place.path("venv"), os.path.join("..", "..", "venvs", vid))
        release_host.write_atomic(place.path(release_contents.LIST), parcel.contents.text)
        release_host.write_atomic(place.path(release_contents.BUILD), json.dumps(parcel.build, indent=1) + "\n")
        release_seal.finish(place, record.decode())
    except (release_contents.DamageError, OSError) as error:
        if place.current != place.id:
            release_archive.clear(place.folder)
        if venv and not os.path.isfile(venv + ".contents"):
            release_archive.clear(venv)
        if isinstance(error, OSError):
            raise release_host.disk_error(error, place.root) from error
        # What the control node calls it, too
        said = str(error).replace(os.path.dirname(archive) + os.sep, "")
        raise ReleaseError(
            f"Release {place.id} was refused: {said}. Nothing of it is left here.", "Run the same command again."
        ) from error


def unpack_venv(place: Place, folder: str, archive: str, sha256: str) -> None:
    """Unpack an environment, verified; raises DamageError, OSError and ReleaseError."""
    if os.path.isfile(folder + ".contents") and users(place, folder):
        raise ReleaseError(
            f"{folder} was built here, with other bytes than the release brings, and {users(place, folder)[0]} runs on "
            "it.",
            "A package was compiled anew on each of the two hosts. Deploy a change of the packages, built once.",
        )
    if not archive:
        raise ReleaseError(f"{folder} is missing, and was not sent along.", "Run this again.")
    parcel = release_contents.Archive(archive, sha256)
    release_archive.clear(folder)
    release_archive.make_folders(folder)
    release_archive.unpack(parcel, folder, release_seal.venv_donor(place))
    os.sync()
    release_host.write_atomic(folder + ".contents", parcel.contents.text)


def users(place: Place, venv: str) -> list[str]:
    """Return the complete releases that run on an environment."""
    wanted = os.path.basename(venv)
    found = []
    for name in sorted(os.listdir(place.releases)) if os.path.isdir(place.releases) else []:
        other = Place(place.root, name)
        link = other.path("venv")
        if os.path.islink(link) and os.path.basename(os.readlink(link)) == wanted and other.finished:
            found.append(name)
    return found
