"""How the backups of this host stand: what lies in its repositories, what runs, what came of the last runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any

from ..common.errors import HostError
from ..common.files import write_atomic
from ..common.folders import PRIVATE, make_folder
from . import checksums
from . import settings as places
from .chain import nothing_waits, window
from .offer import ask_server
from .pgbackrest import ARCHIVED, Found, PgBackRest
from .restic import Restic, moment_of
from .settings import Settings, read, read_lines, secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

IN_BACKUP = re.compile(r"backup/[^/]+/(?P<label>[^/]+)/")
#: Seconds between two readings of all that lies elsewhere: a little less than a week
SELDOM = 6.5 * 86400
#: Moments that are shown
MOMENTS = 50


def gather(settings: Settings) -> dict[str, Any]:
    """Return everything; nothing here changes a backup."""
    make_folder(places.KEPT, PRIVATE).close()
    now = time.time()
    fetching = read(places.FETCHING) if "keeps" in settings.does else {}
    server = ask_server(int(settings.database["port"])) if "database" in settings.does else fetching.get("server") or {}
    # What the other host said of its server was so when it was asked.
    asked = now if "database" in settings.does else float(fetching.get("looked") or 0)
    return {
        "time": now,
        "app": settings.app,
        "environment": settings.environment,
        "does": sorted(settings.does),
        "loss": settings.loss,
        "limit": settings.limit,
        "repositories": [repository(settings, one, server, asked) for one in settings.own_repositories],
        "server": server,
        "checksums": checksums.there(settings),
        "last": read(places.LAST),
        "timers": timers(settings),
        "dropped": dropped(),
        "kept": settings.kept,
        "disk": disk(settings),
        "uploads": uploads(settings),
        "fetch": fetching,
        "fetches": settings.fetch,
        "drill": read(places.DRILL),
        "expired": expired(settings),
        "nightly": read(places.NIGHTLY),
        "moments": read_lines(places.MOMENTS)[-MOMENTS:],
    }


def repository(settings: Settings, one: Mapping[str, Any], server: Mapping[str, Any], asked: float) -> dict[str, Any]:
    """Return how one repository stands."""
    pgbackrest = PgBackRest(settings.stanza, settings.account)
    found = pgbackrest.found(int(one["number"]))
    allowed = window(found.backups, found.archived, found.way())
    until = allowed.until
    if until and nothing_waits(allowed, str(server.get("current", ""))):
        # A segment with something in it is full after so long; what is older than that is in the repository.
        until = max(until, asked - float(server.get("timeout") or settings.loss))
    known = segments(read(places.INDEX).get(str(one["name"])) or {})
    damaged = damage(settings, one, found, pgbackrest, allowed.holes) if not found.trouble else []
    return {
        **{name: one[name] for name in ("number", "name", "type", "off_machine")},
        "trouble": found.trouble,
        "backups": [vars(backup) for backup in found.backups],
        "since": allowed.since,
        "until": until,
        "newest": allowed.newest,
        "holes": allowed.holes,
        # It never came here, and a full backup was made since: that was said when it happened.
        "given_up": [name for name in allowed.past if name not in known],
        "useless": allowed.useless,
        "bytes": found.bytes,
        "damaged": damaged,
        "timelines": found.timelines,
    }


def damage(
    settings: Settings, one: Mapping[str, Any], found: Found, pgbackrest: PgBackRest, holes: list[str]
) -> list[str]:
    """Return which files of a repository are not what was written, as far as is known without reading them all.

    A file that has another size or time than the last look, or is gone from a backup that is still there, is reason to
    read everything; otherwise what the last reading found counts.
    """
    index, verified = read(places.INDEX), read(places.VERIFIED)
    name = str(one["name"])
    known: dict[str, Any] = index.get(name) or {}
    here = {path: list(entry) for path, entry in found.files.items()}
    labels = {backup.label for backup in found.backups}
    suspicious = sorted(
        path
        for path, entry in known.items()
        if here.get(path, entry) != entry or (path not in here and in_backup(path) in labels)
    )
    last: dict[str, Any] = verified.get(name) or {}
    if suspicious and last.get("because") != suspicious:
        last = {"time": time.time(), "wrong": pgbackrest.verify(int(one["number"])), "because": suspicious}
        write_atomic(places.VERIFIED, json.dumps({**verified, name: last}), 0o600)
        if not last["wrong"]:
            suspicious = []
    if not suspicious:
        # Complete backups and archived segments alone: what is being written changes.
        kept = {path: entry for path, entry in here.items() if in_backup(path) in {*labels, ""}}
        # A segment that was here stays known, so that it is missed.
        kept |= {path: entry for path, entry in known.items() if path not in here and segments([path]) & {*holes}}
        if kept != known:
            write_atomic(places.INDEX, json.dumps({**index, name: kept}), 0o600)
    return list(last.get("wrong") or [])


def segments(paths: Iterable[str]) -> set[str]:
    """Return the names of the segments of WAL among a repository's files."""
    return {match["name"] for path in paths if (match := ARCHIVED.search(path))}


def in_backup(path: str) -> str:
    """Return the label of the backup that a file is of, "" for one of the archive."""
    match = IN_BACKUP.match(path)
    return match["label"] if match else ""


def verify(settings: Settings, seldom: float = 0) -> dict[str, list[str]]:
    """Read every byte of every repository of this host; returns what is wrong, by repository.

    Args:
        settings: this host's.
        seldom: seconds within which one that was read is not read again, where that goes over a network, and is paid.
    """
    make_folder(places.KEPT, PRIVATE).close()
    wrong = {}
    pgbackrest = PgBackRest(settings.stanza, settings.account)
    index, known = read(places.INDEX), read(places.VERIFIED)
    missed: dict[str, Any] = {}
    for one in settings.own_repositories:
        name, number = str(one["name"]), int(one["number"])
        if number > 1 and time.time() - (known.get(name) or {}).get("time", 0) < seldom:
            missed[name] = index.get(name) or {}
            continue
        wrong[name] = pgbackrest.verify(number)
        here = pgbackrest.found(number).files
        # It does not miss a segment before the newest backups.
        missed[name] = {
            path: entry for path, entry in (index.get(name) or {}).items() if path not in here and segments([path])
        }
    told = {name: {"time": time.time(), "wrong": found, "because": []} for name, found in wrong.items()}
    write_atomic(places.VERIFIED, json.dumps({**known, **told}), 0o600)
    if not any(wrong.values()):
        write_atomic(places.INDEX, json.dumps(missed), 0o600)
    return wrong


def timers(settings: Settings) -> dict[str, bool]:
    """Return whether each of the timers (and the process that fetches) runs."""
    wanted = ["samestack-backup-check.timer", "samestack-backup-keep.timer"]
    if settings.does & {"database", "uploads"}:
        wanted += [f"samestack-backup-{kind}.timer" for kind in ("full", "diff", "incr")]
    if settings.drill:
        wanted.append("samestack-backup-drill.timer")
    if "keeps" in settings.does:
        wanted.append("samestack-backup-fetch.service")
    if settings.offer:
        wanted.append("samestack-backup-offer.service")
    done = subprocess.run(
        ["systemctl", "is-active", *wanted], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    states = done.stdout.split()
    return {name: states[place : place + 1] in (["active"], ["activating"]) for place, name in enumerate(wanted)}


def dropped() -> dict[str, Any] | None:
    """Return since when WAL was given up, and the first segment; None where none was."""
    try:
        # Its folder is the server's, who could have put a link there.
        descriptor = os.open(places.DROPPED, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, encoding="utf-8", errors="replace") as file:
            return {"time": os.fstat(file.fileno()).st_mtime, "first": file.readline(64).strip()}
    except OSError:
        return None


def disk(settings: Settings) -> dict[str, int]:
    """Return how many percent of the disks are used that backups and WAL are on."""
    folders = {places.REPOSITORY, settings.database.get("data", ""), *settings.upload_folders}
    return {path: used(path) for path in sorted(folders) if path and os.path.isdir(path)}


def used(path: str) -> int:
    """Return how many percent of a disk are used, as df counts them."""
    disk = shutil.disk_usage(path)
    return round(disk.used * 100 / (disk.used + disk.free)) if disk.used + disk.free else 100


def expired(settings: Settings) -> dict[str, Any]:
    """Return what came of removing what has expired, by repository."""
    names = {one["name"] for one in settings.own_repositories}
    names |= {f"uploads {one['name']}" for one in settings.uploads.get("targets", [])}
    return {name: line for name, line in read(places.EXPIRED).items() if name in names}


def uploads(settings: Settings) -> list[dict[str, Any]]:
    """Return how the copies of the files stand, target by target."""
    found = []
    known = secrets() if settings.uploads else {}
    for target in settings.uploads.get("targets", []):
        restic = Restic.of(target, known)
        told: dict[str, Any] = {name: target[name] for name in ("name", "off_machine")}
        try:
            # Asking must not be in the way of a backup.
            copies = restic.snapshots("--no-lock")
        except HostError as error:
            found.append({**told, "trouble": str(error), "copies": 0})
            continue
        newest = max((moment_of(copy) for copy in copies), default=0)
        found.append({**told, "trouble": "", "copies": len(copies), "newest": newest})
    return found
