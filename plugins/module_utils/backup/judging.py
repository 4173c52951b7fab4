"""What is wrong with backups, judged by what a host found. Pure: hosts tell people by it, the control node shows it.

A problem is a word, by which one knows it again, and a sentence. Everything here is red; what is only to be known is
said by `remarks`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: What may be lost, times this, is too much: a segment takes its time to be filled, sent and seen
PATIENCE = 2
MARGIN = 20
#: Backups are made every hour
OLDEST_BACKUP = 3 * 3600
#: What has expired goes, and what is kept is read, every night; reading all of it takes its time
OLDEST_NIGHT = 3 * 86400
#: A drill is made every week
OLDEST_DRILL = 8 * 86400
#: Percent of a disk below the limit at which people should know
WARN_BEFORE = 5


def problems(found: Mapping[str, Any]) -> dict[str, str]:
    """Return what is wrong on one host: {word: sentence}."""
    return dict(all_problems(found))


def all_problems(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong on one host."""
    for one in found["repositories"]:
        yield from of_repository(found, one)
    for one in found["uploads"]:
        if one["trouble"]:
            yield f"uploads {one['name']}", f"The copies of the uploads ({one['name']}): {one['trouble']}"
        elif not one["copies"]:
            yield f"uploads {one['name']} none", f"There is no copy of the uploads ({one['name']}) yet."
        elif found["time"] - one["newest"] > OLDEST_BACKUP:
            yield (
                f"uploads {one['name']} old",
                f"The uploads ({one['name']}) were last copied {ago(found, one['newest'])}.",
            )
    last = (found["last"] or {}).get("last") or {}
    if last and not last.get("ok"):
        yield "run", f"The last backup ({last['kind']}) failed {ago(found, last['time'])}: {last['reason']}"
    for name, runs in found["timers"].items():
        if not runs:
            yield f"unit {name}", f"{name} does not run. `./samestack provision` starts it again."
    if found["dropped"]:
        yield (
            "dropped",
            (
                f"WAL was given up because the disk was filling, from {found['dropped']['first']} on "
                f"({ago(found, found['dropped']['time'])}): until a new full backup, no moment since can be restored."
            ),
        )
    yield from of_disks(found)
    yield from of_fetching(found)
    yield from of_expiry(found)
    yield from of_drills(found)


def of_expiry(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what could not be removed though it may be; a key without that right is no problem, and is said."""
    for name, line in found["expired"].items():
        if line["reason"] and not line["denied"]:
            yield f"{name} expired", f"What has expired could not be removed ({name}): {line['reason']}"
    night = found["nightly"]
    if night and night["reason"]:
        yield "night", f"What is kept was not looked at to the end {ago(found, night['time'])}: {night['reason']}"
    elif night and found["time"] - night["time"] > OLDEST_NIGHT:
        yield "night old", f"What is kept was last looked at {ago(found, night['time'])}."


def of_drills(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the last drill."""
    drill = found["drill"]
    if drill and not drill.get("ok"):
        which = f" (of {drill['repository']})" if drill.get("repository") else ""
        yield "drill", f"The last drill{which} failed {ago(found, drill['time'])}: {drill.get('reason', '')}"
    elif drill and found["time"] - drill["time"] > OLDEST_DRILL:
        yield "drill old", f"The last drill was {ago(found, drill['time'])}."


def of_repository(found: Mapping[str, Any], one: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a repository."""
    name = one["name"]
    if one["trouble"]:
        yield f"{name} unreadable", f"Repository {name}: {one['trouble']}"
        return
    for line in one["damaged"]:
        yield f"{name} damaged {line}", f"Repository {name} is damaged: {line}"
    for label in one["useless"]:
        yield (
            f"{name} useless {label}",
            f"Repository {name}: backup {label} cannot be restored, WAL that it needs is not there.",
        )
    if holes := [hole for hole in one["holes"] if hole not in one["given_up"]]:
        what = f"Repository {name}: WAL {some(holes)} is not there: some moments cannot be restored."
        yield f"{name} hole {holes[0]}", what
    if not one["since"]:
        yield f"{name} empty", f"Repository {name} has nothing that can be restored."
        return
    if found["time"] - one["until"] > PATIENCE * found["loss"] + MARGIN:
        yield (
            f"{name} behind",
            f"Repository {name} can restore nothing newer than {moment(one['until'])} ({ago(found, one['until'])}).",
        )
    newest = max(backup["stop"] for backup in one["backups"])
    if found["time"] - newest > OLDEST_BACKUP:
        yield f"{name} old", f"Repository {name}: the newest backup is from {moment(newest)} ({ago(found, newest)})."
    rotten = [backup["label"] for backup in one["backups"] if backup["rotten"]]
    if rotten:
        yield (
            f"{name} rotten",
            (f"Backup {rotten[-1]} has pages with a wrong checksum: the database's disk may be failing."),
        )


def of_disks(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield which disks of a backup host have no room left for more."""
    for path, percent in found["disk"].items():
        if "keeps" in found["does"] and 0 < found["limit"] <= percent:
            what = f"is {percent} % full: nothing more is taken (backup_disk_limit is {found['limit']})."
            yield f"disk {path}", f"The disk of {path} {what}"


def of_fetching(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with what a backup host fetches."""
    if not found["fetches"]:
        return
    fetch, address = found["fetch"], found["fetches"].get("address", "")
    if fetch.get("trouble"):
        yield (
            "fetch",
            f"Nothing comes from {address} since {moment(fetch.get('since') or fetch['time'])}: {fetch['trouble']}",
        )
    elif found["time"] - float(fetch.get("looked") or 0) > PATIENCE * found["loss"] + MARGIN:
        yield "fetch silent", f"Nothing was heard of {address} for a while."
    elif not fetch.get("server"):
        yield "server", f"The database server of {address} does not answer."


def remarks(found: Mapping[str, Any]) -> list[str]:
    """Return what is to be known, and no reason to be woken."""
    said = []
    if (
        "database" in found["does"]
        and not any(one["off_machine"] for one in found["repositories"])
        and not found.get("kept")
    ):
        said.append("On the same disk: no backup. backup_repositories names no other place.")
    for path, percent in found["disk"].items():
        if found["limit"] and percent >= found["limit"] - WARN_BEFORE:
            then = "nothing more is taken" if "keeps" in found["does"] else "WAL is given up"
            said.append(f"The disk of {path} is {percent} % full; at {found['limit']} % {then} (backup_disk_limit).")
    for one in found["repositories"]:
        if one["given_up"]:
            said.append(
                f"Repository {one['name']} has never got WAL {some(one['given_up'])}: moments between the backup "
                "before it and the next full one cannot be restored."
            )
    if denied := [name for name, line in found["expired"].items() if line["denied"]]:
        said.append(
            f"The key may remove nothing ({', '.join(denied)}): what has expired stays until the service removes it "
            "(docs/backup-repositories.md)."
        )
    if found["checksums"] is False:
        said.append(
            "The database has no page checksums: rot would be backed up unseen. A provision while visitors see the "
            "maintenance page adds them (docs/backups.md)."
        )
    return said


def some(names: list[str]) -> str:
    """Return the first of some names, and how many more there are."""
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]


def moment(seconds: float) -> str:
    """Return a time as people read it."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def ago(found: Mapping[str, Any], seconds: float) -> str:
    """Return how long before the look something was."""
    return f"{span(found['time'] - seconds)} ago"


def span(seconds: float) -> str:
    """Return a length of time in words: 29 s, 3 min, 2 h 5 min, 4 days."""
    whole = max(int(seconds), 0)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if days > 1:
        return f"{days} days"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes > 1 else f"{whole} s"
