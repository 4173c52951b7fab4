"""What there is to know of the releases on a host; nothing here changes anything."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING, Any

from ...common import ledger, maintenance_page, text
from ...common.files import read_json
from .. import testing
from ..application import environment_file_names
from ..files import contents, retention
from ..place import LIVE_CODE, Place
from ..serving import units as release_units
from ..serving.probe import Probe, is_well

if TYPE_CHECKING:
    from collections.abc import Mapping

PROBE_SECONDS, PAUSE_SECONDS = 10, 1
# A worker that has run for so long has got over what ended it.
SETTLED_SECONDS = 120


def state(params: Mapping[str, Any], run: ledger.Run) -> dict[str, Any]:
    """Return everything that the module `release_state` tells; see there."""
    live = Place(params["root"], "").current
    place = Place(params["root"], params["release_id"] or live)
    lines = [line for line in ledger.read_ledger(run.folder) if line.get("app", run.app) == run.app]
    healthy, why = health(params)
    return {
        "current": live,
        "instance": instance(params["run_directory"]),
        "healthy": healthy,
        "why": why,
        "release": place.id if place.finished else "",
        **recorded(place),
        "dirty": dirty(place) if params["verify"] and place.finished and not place.live_folder else {},
        "applied": sorted(retention.applied_migrations(place) or []),
        "env_missing": missing_names(
            params["environment"] or (place.finished or {}).get("environment", {}), params["env_file"]
        ),
        "restarts": restarts(params["app"]),
        "free": free(params["root"]),
        "kept": [name for name in retention.complete_releases(place) if name != LIVE_CODE],
        "good": ledger.good_releases(lines),
        "tests": testing.recorded(place),
        "accepted": dict(ledger.accepted_releases(lines).get(place.id, {})),
        "failed": ledger.failed_releases(lines),
        "frozen": read_json(os.path.join(run.folder, "freeze.json")) or {},
        "ledger": lines[-params["lines"] :] if params["lines"] else [],
    }


def recorded(place: Place) -> dict[str, Any]:
    """Return what is written beside a release: its digest, its inputs, how it was built."""
    listed = contents.Contents.read(place.path(contents.LIST))
    record = place.finished or {}
    return {
        "sha256": listed.sha256 if listed else "",
        "vid": listed.venv[0] if listed and listed.venv else "",
        "build": read_json(place.path(contents.BUILD)) or {},
        "inputs": record.get("inputs", {}),
        "environment": record.get("environment", {}),
    }


def dirty(place: Place, packages: bool = True) -> dict[str, list[str]]:
    """Return the paths of a release that are changed, added or missing since it was built; {} when none are.

    Without `packages`, the files of its environment are not looked at.
    """
    listed = contents.Contents.read(place.path(contents.LIST))
    if not listed or not listed.venv:
        return {"missing": [contents.LIST]}
    found: dict[str, list[str]] = contents.differences(place.folder, listed, contents.BESIDE)
    build = read_json(place.path(contents.BUILD)) or {}
    if build.get("sha256") != listed.sha256:
        found.setdefault("changed", []).append(contents.LIST)
    vid, sha256 = listed.venv
    venv = os.path.join(place.venvs, vid)
    installed = contents.Contents.read(venv + ".contents")
    if not installed or not os.path.isdir(venv):
        return found | {"missing": [*found.get("missing", []), contents.VENV]}
    if installed.sha256 != sha256 or not leads_to(place.path(contents.VENV), venv):
        found.setdefault("changed", []).append(contents.VENV)
    for kind, paths in contents.differences(venv, installed).items() if packages else ():
        found.setdefault(kind, []).extend(f"{contents.VENV}/{path}" for path in paths)
    return found


def changed_by_hand(found: Mapping[str, Any]) -> list[str]:
    """Return what somebody changed of a release since it was built, in words."""
    paths = [f"{path} ({kind})" for kind, names in found["dirty"].items() for path in names]
    return [f"Release {found['release']} was changed on this host: {text.few(paths)}"] if paths else []


def leads_to(link: str, folder: str) -> bool:
    """Return whether a link leads to a folder."""
    return os.path.islink(link) and os.path.realpath(link) == os.path.realpath(folder)


def missing_names(environment: Mapping[str, bool], env_file: str) -> list[str]:
    """Return the variables that a release's settings insist on and this environment does not set."""
    # release.env, which every release brings, sets what its settings read of paths.
    given = environment_file_names(env_file) | {"STATIC_ROOT", "DJANGO_SETTINGS_MODULE"}
    return sorted(name for name, needed in environment.items() if needed and name not in given)


def instance(run_directory: str) -> str:
    """Return which instance of the web server nginx's fixed path names, "" for none."""
    try:
        return os.path.basename(os.readlink(os.path.join(run_directory, "live.sock"))).removesuffix(".sock")
    except OSError:
        return ""


def health(params: Mapping[str, Any]) -> tuple[bool, str]:
    """Return whether the site answers over the live socket, and why not; a host without web server is healthy."""
    if not params["host"]:
        return True, ""
    probe = Probe(params["host"], params["path"], params["web_user"])
    status, why = probe.answer(os.path.join(params["run_directory"], "live.sock"), PROBE_SECONDS)
    well = bool(status and is_well(status))
    return well, "" if well else why


def unwell(params: Mapping[str, Any], seconds: int) -> str:
    """Return "" as soon as the site answers well to a visitor on this machine, else why it did not within seconds.

    Nobody is asked in no time, or where no release serves.
    """
    if not seconds or not Place(params["root"], "").current:
        return ""
    deadline = time.monotonic() + seconds
    probe = Probe(params["host"], params["path"], "")
    while True:
        why = health(params)[1] if maintenance_page.is_on() else probe.through_front(deadline - time.monotonic())
        if not why:
            return ""
        if time.monotonic() > deadline:
            return f"{probe.address} does not answer as it should: {why}"
        time.sleep(PAUSE_SECONDS)


def restarts(app: str) -> dict[str, int]:
    """Return how often workers were started anew that do not stay up; {} where all do."""
    found = release_units.properties(release_units.listed([f"{app}-worker-*@*"]))
    begun = {unit: int(shown.get("ExecMainStartTimestampMonotonic") or 0) / 1e6 for unit, shown in found.items()}
    return {
        release_units.worker_name(unit): int(shown.get("NRestarts") or 0)
        for unit, shown in found.items()
        if int(shown.get("NRestarts") or 0)
        and (shown["ActiveState"] != "active" or time.monotonic() - begun[unit] < SETTLED_SECONDS)
    }


def free(root: str) -> int:
    """Return the free bytes where releases are, or will be."""
    while not os.path.isdir(root):
        root = os.path.dirname(root) or "/"
    return shutil.disk_usage(root).free
