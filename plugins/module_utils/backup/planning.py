"""Where a restore leads: the backup and the WAL that a moment needs, out of what lies in one repository.

The database host asks its own repositories first. What they have not got any more, the host that keeps the backups has.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..common.errors import HostError
from .chain import named, number, reach, window
from .judging import moment
from .offer import identity
from .pgbackrest import ARCHIVED, HISTORY, PgBackRest
from .settings import IDENTITY, REPOSITORY
from .target import LATEST, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .chain import Backup, Window
    from .pgbackrest import Found
    from .settings import Settings

#: Seconds that a backup has to begin after a moment, so that its WAL is of later: both times are known to the second
LATER = 2


def led(to: str, target: Target, found: Found, now: float, *, up: bool) -> dict[str, Any]:
    """Return how a repository leads to a moment; raises HostError where it does not.

    Args:
        to: what people typed.
        target: the moment that it means.
        found: what lies in the repository.
        now: seconds since the epoch.
        up: the server has what is not in the repository yet.
    """
    allowed = window(found.backups, found.archived, found.way(target.before))
    label = found.backup_for(target.before)
    if not label:
        raise HostError(too_early(to, target, allowed))
    backup = next(one for one in found.backups if one.label == label)
    until = now if up else allowed.until
    check_way(to, target, backup, found)
    if target.kind == LATEST:
        target = Target(LATEST, until, words=moment(until))
    elif not up and target.time > until:
        raise HostError(
            f"--to {to}: of what was written until then nothing is there any more. The latest moment is "
            f"{moment(until)}.", "Write --to latest",
        )  # fmt: skip
    return {
        "time": target.time, "words": target.words, "backup": label, "line": found.way(target.before).line,
        "lost": max(now - target.time, 0) if target.kind != LATEST or not up else 0, "size": backup.size,
        "until": until,
    }  # fmt: skip


def too_early(to: str, target: Target, allowed: Window) -> str:
    """Return what to say where there is no backup from before a moment."""
    if not allowed.since:
        return "There is no backup that can be restored."
    return f"--to {to}: {target.words} is before the first backup, of {moment(allowed.since)}."


def check_way(to: str, target: Target, backup: Backup, found: Found) -> None:
    """Refuse a moment that lies behind WAL that is missing; raises HostError."""
    way = found.way(target.before)
    until, missing = reach(backup, found.archived, way)
    if missing and target.kind != LATEST and target.time > until:
        raise HostError(
            f"--to {to}: WAL {missing} is not in the repository, so nothing leads there. Before it the latest "
            f"moment is {moment(until)}; the next one is that of the backup after it.",
            "`./samestack backups` shows more.",
        )


def kept(settings: Settings, asked: Mapping[str, Any], root: str = REPOSITORY) -> dict[str, Any]:
    """Return what the host that keeps the backups can hand over for a moment; changes nothing. Raises HostError.

    Args:
        settings: of the host that keeps them.
        asked: the plan of the database host, whose own repository does not lead there.
        root: the repository here.
    """
    theirs, ours = str(asked["identity"]), identity(root)
    if theirs and theirs != ours:
        raise HostError(
            f"{asked['asks']} The backup host keeps another repository than the one on the database's host: their "
            f"{IDENTITY} differ.",
            "`./samestack backups` says more.",
        )
    found = PgBackRest(settings.stanza, settings.account).found()
    if found.trouble:
        raise HostError(f"{asked['asks']} What the backup host has cannot be read either: {found.trouble}")
    target = Target(*(asked[name] for name in ("kind", "time", "name", "words")))
    # What the server still has is not here.
    way = led(str(asked["to"]), target, found, float(asked["now"]), up=False)
    backup = next(one for one in found.backups if one.label == way["backup"])
    if backup.server != found.backups[-1].server:
        raise HostError(f"--to {asked['to']}: backup {backup.label} is of another major version of PostgreSQL.")
    share = {"backup": backup.label, "line": way["line"], "last": "" if asked["mends"] else last_needed(target, found)}
    sizes = [os.lstat(os.path.join(root, name)).st_size for name in files(root, settings.stanza, found, share)]
    return {**asked, **way, "share": share, "files": len(sizes), "bytes": sum(sizes)}


def last_needed(target: Target, found: Found) -> str:
    """Return the last segment that may have something from before a moment, "" where only the newest is known to.

    When a segment came says little: it may have waited. What a backup begins with was written after it began.
    """
    way = found.way(target.before)
    later = [one for one in found.backups if way.has(one) and one.start >= target.time + LATER]
    return min(later, key=lambda one: one.start).last if later and target.before is not None else ""


def files(root: str, stanza: str, found: Found, share: Mapping[str, Any]) -> Iterator[str]:
    """Yield the files of a repository that are handed over, by their paths in it.

    Args:
        root: the repository.
        stanza: of the server.
        found: what lies in it.
        share: `backup`, with the ones that it hangs on and the WAL of its `line` until the segment `last`; where there
            is no last one, everything from the full backup on.
    """
    chosen = next((one for one in found.backups if one.label == share["backup"]), None)
    if chosen is None:
        raise HostError(f"Backup {share['backup']} is not there any more.")
    full = next(one for one in found.backups if one.label == chosen.label.partition("_")[0])
    way, last = found.lineage(int(share["line"])), str(share["last"])

    def is_wanted(label: str) -> bool:
        return full.label <= label and (not last or label <= chosen.label) and label[:1].isdigit()

    def is_on_the_way(name: str) -> bool:
        count = number(name)
        if not last:
            return count >= number(full.first)
        inside = number(chosen.first) <= count <= number(last)
        return inside and name == named(way.timeline_of(count), count)

    for place, _, names in os.walk(root):
        for name in sorted(names):
            path = os.path.relpath(os.path.join(place, name), root)
            parts = path.split(os.sep)
            if path == IDENTITY:
                yield path
            if parts[1:2] != [stanza] or os.path.islink(os.path.join(place, name)) or ".was-" in name:
                continue
            archived = ARCHIVED.search(path)
            if parts[0] == "archive":
                known = is_on_the_way(archived["name"]) if archived else bool(HISTORY.search(path))
                if known or name.startswith("archive.info"):
                    yield path
            elif parts[0] == "backup" and (name.startswith("backup.info") or is_wanted(parts[2])):
                yield path
