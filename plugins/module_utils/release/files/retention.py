"""Which releases stay on a host: the live one, good ones to go back to, and what has the code of applied migrations."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...common import ledger
from ...common.files import read_json
from .. import pythons, testing
from ..place import LIVE_CODE, Place
from . import archive, static_history

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A time as the ledger and build.json write it, to the second
TO_THE_SECOND = 19
# What release.env gives to whatever runs from a release; as much of an environment as is looked at
ENVIRONMENT = "VIRTUAL_ENV="
MOST_ENVIRONMENT = 1 << 20


@dataclass
class Kept:
    """A complete release as far as it matters here: when it was built, its migrations, its environment."""

    id: str
    built: str = ""
    migrations: set[str] = field(default_factory=set)
    replaces: set[str] = field(default_factory=set)
    vid: str = ""
    #: That of its tests
    tests: str = ""


def prune(place: Place, app: str, keep: int, run: ledger.Run) -> list[str]:
    """Remove what is not wanted any more; returns the names of the removed releases, environments and Pythons.

    The caller holds the application's lock (`one_at_a_time`).

    Args:
        place: a release of the application, the one that has just become live.
        app: name of the application.
        keep: good releases to keep, the live one included.
        run: the run in hand; its ledger says which releases were good.
    """
    lines = [line for line in ledger.read_ledger(run.folder) if line.get("app", app) == app]
    releases = complete_releases(place)
    wanted = choose(releases, place.current, keep, lines, applied_migrations(place))
    # A page that was loaded before the switch still asks for these files.
    wanted |= set(static_history.releases(place.root)[:1])
    wanted |= in_use(place)
    return remove(place, wanted, releases)


def in_use(place: Place, proc: str = "/proc") -> set[str]:
    """Return the releases that a process runs from, such as a job that takes longer than some deployments.

    Its folder shows it, or its environment, which names the release's packages wherever it has gone.
    """
    known = set(place.names)
    beginning = os.path.realpath(place.releases) + os.sep
    found = set()
    for pid in filter(str.isdigit, os.listdir(proc)):
        try:
            paths = [os.readlink(os.path.join(proc, pid, "cwd"))]
            with open(os.path.join(proc, pid, "environ"), "rb") as file:
                variables = file.read(MOST_ENVIRONMENT).decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        paths += [one[len(ENVIRONMENT) :] for one in variables if one.startswith(ENVIRONMENT)]
        found |= {path[len(beginning) :].split(os.sep, 1)[0] for path in paths if path.startswith(beginning)}
    return found & known


def prune_built(place: Place, keep: int) -> list[str]:
    """Remove all but the newest releases from a host that only builds; none where one is live."""
    if place.current or keep < 1:
        return []
    releases = complete_releases(place)
    wanted = sorted(releases, key=lambda name: releases[name].built)[-keep:]
    return remove(place, {*wanted, place.id}, releases)


def remove(place: Place, wanted: set[str], releases: Mapping[str, Kept]) -> list[str]:
    """Remove the other releases, the environments that none of the wanted ones uses, and the Pythons that none is made
    with; returns their names."""
    removed = [name for name in place.names if name not in wanted]
    for name in removed:
        archive.clear(os.path.join(place.releases, name))
    stay = [release for release in releases.values() if release.id in wanted]
    unused = unused_environments(place, {vid for release in stay for vid in (release.vid, release.tests)})
    for vid in unused:
        archive.clear(os.path.join(place.venvs, vid))
    return [*removed, *[f"venv-{vid}" for vid in unused], *pythons.prune(place)]


def complete_releases(place: Place) -> dict[str, Kept]:
    """Return the complete releases by id."""
    found = {}
    for name in place.names:
        release = Place(place.root, name)
        if not release.finished:
            continue
        build = read_json(release.path("build.json")) or {}
        link = release.path("venv")
        vid = os.path.basename(os.readlink(link)) if os.path.islink(link) else ""
        names = {key: set(map(str, build.get(key) or [])) for key in ("migrations", "replaces")}
        tests = str(testing.recorded(release).get("vid", ""))
        found[name] = Kept(name, str(build.get("built", "")), names["migrations"], names["replaces"], vid, tests)
    return found


def applied_migrations(place: Place) -> set[str] | None:
    """Return the migrations that the database has had, as the live release's check noted them; None when it did not."""
    noted = read_json(os.path.join(place.current_link, "database.json"))
    return set(map(str, noted.get("applied") or [])) if noted else None


def choose(
    releases: Mapping[str, Kept], live: str, keep: int, lines: Iterable[Mapping[str, Any]], applied: set[str] | None
) -> set[str]:
    """Return the ids of the releases that stay."""
    lines = list(lines)
    good = [name for name in ledger.good_releases(lines) if name in releases]
    failed = ledger.failed_releases(lines)
    # What was live before there was a ledger
    first = min((str(line.get("time", "")) for line in lines), default="9")[:TO_THE_SECOND]
    old = [one for one in releases.values() if one.id not in {*good, *failed} and one.built[:TO_THE_SECOND] < first]
    old.sort(key=lambda one: one.built, reverse=True)
    candidates = [name for name in [*good, *[one.id for one in old]] if name not in (live, LIVE_CODE)]
    wanted = {live, *candidates[: max(keep - 1, 0)]}
    others = sorted(releases.values(), key=lambda one: one.built, reverse=True)
    others = [one for one in others if one.id not in wanted]
    if applied is None:
        return wanted | {one.id for one in [one for one in others if one.id in failed][:1]}
    known = set().union(*(one.migrations | one.replaces for one in releases.values() if one.id in wanted))
    for one in others:
        # Nobody else could reverse these.
        if one.migrations & applied - known:
            wanted.add(one.id)
            known |= one.migrations
    return wanted


def unused_environments(place: Place, used: set[str]) -> list[str]:
    """Return the environments that none of the releases runs on, and what builds that were cut off left of some."""
    names = os.listdir(place.venvs) if os.path.isdir(place.venvs) else []
    return sorted({name.split(".", 1)[0] for name in names} - used)
