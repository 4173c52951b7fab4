"""What a backup host keeps, and for how long: by the time of arrival here, and by nothing that came with it.

Whoever has broken in on the database host can hand over backups that pretend to be old, or new. Neither shortens the
life of those that are here.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from typing import TYPE_CHECKING

from ..common import folders
from ..common.errors import HostError
from ..common.files import write_atomic
from ..common.folders import PRIVATE, make_folder
from ..common.host_lock import private_lock
from . import settings as places
from .chain import number
from .pgbackrest import OF_SEGMENT, SEGMENTS, SERVER, PgBackRest
from .restic import Restic, moment_of
from .settings import Settings, read, secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..common.held_folder import Folder

#: Seconds to wait for a backup that is at work
PATIENCE = 3600
#: How often all copies are read where others come meanwhile
ROUNDS = 3
#: How services say that a key may not remove
DENIED = re.compile(r"access ?denied|permission denied|\b403\b", re.IGNORECASE)
#: Behind every segment: of a server without a backup
NONE_NEEDED = 1 << 62


@contextlib.contextmanager
def written_down() -> Iterator[None]:
    """Write down what came of a night: whatever ends it early, the next look tells people."""
    reason = "it was cut off"
    try:
        yield
        reason = ""
    except Exception as error:
        reason = str(error) if isinstance(error, HostError) else f"{type(error).__name__} {error}"
        raise
    finally:
        make_folder(places.KEPT, PRIVATE).close()
        write_atomic(places.NIGHTLY, json.dumps({"time": time.time(), "reason": reason}), 0o600)


def keep(settings: Settings) -> list[str]:
    """Remove what is older than every moment that has to be restored needs; returns what went, and notes what did not.

    Of the application's files every byte is read before.
    """
    horizon, gone = time.time() - settings.keep, list[str]()
    note("host", lambda: gone.extend(remove_backups(settings, horizon)), ours=True)
    for target in settings.uploads.get("targets", []):
        restic = Restic.of(target, secrets())

        def go(restic: Restic = restic) -> None:
            gone.extend(name[:8] for name in read_and_forget(restic, horizon))

        note(f"uploads {target['name']}", go, ours=True)
    return gone


def remove_backups(settings: Settings, horizon: float) -> list[str]:
    """Remove backups of the database that came before a time, and WAL; returns what went. Raises HostError."""
    pgbackrest, gone = PgBackRest(settings.stanza, settings.account), []
    top = os.path.join(places.REPOSITORY, "backup", settings.stanza)
    fulls = [one.label for one in pgbackrest.backups() if one.kind == "full"]
    for label in expired({label: arrival(os.path.join(top, label)) for label in fulls}, horizon):
        pgbackrest.expire(label, 1)
        gone.append(label)
    archive = os.path.join(places.REPOSITORY, "archive", settings.stanza)
    if count := remove_wal(archive, pgbackrest, horizon):
        gone.append(f"{count} segments of WAL")
    return gone


def read_and_forget(restic: Restic, horizon: float) -> list[str]:
    """Read every byte of the copies, and remove those that came before a time; returns which. Raises HostError.

    Whoever may add may add an index, too, which says that a piece lies in a pack that has nothing of it. By that index
    the pack that has it is one too many, and would go. So nothing goes while not all is as it was written, and one that
    came while it was read is read as well.
    """
    copies, indexes = (os.path.join(restic.address, name) for name in ("snapshots", "index"))
    for _ in range(ROUNDS):
        known = names(indexes)
        if wrong := restic.check("100%"):
            raise HostError(f"nothing is removed while not all is as it was written: {wrong[0]}")
        old = expired({name: arrival(os.path.join(copies, name)) for name in names(copies)}, horizon)
        if not old or names(indexes) == known:
            restic.forget(old)
            return old
    raise HostError("new copies came each time while all was read; it is tried again tomorrow")


def names(folder: str) -> list[str]:
    """Return the names in a folder, none where there is none."""
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def remove_wal(archive: str, pgbackrest: PgBackRest, horizon: float) -> int:
    """Remove the segments that came before the horizon, and before what the oldest backup needs; returns how many.

    pgBackRest would go by how many backups there are, and whoever has broken in can hand over some. Raises HostError.
    """
    backups, count = pgbackrest.backups(), 0
    if not backups:
        return 0
    with folders.open_folder(archive, pgbackrest.account.pw_uid) as top:
        for name in top.names():
            if server := SERVER.fullmatch(name):
                firsts = [number(one.first) for one in backups if one.server == int(server["number"])]
                with top.folder(name) as its_own:
                    for part in filter(SEGMENTS.fullmatch, its_own.names()):
                        count += remove_segments(its_own, part, min(firsts, default=NONE_NEEDED), horizon)
    return count


def remove_segments(its_own: Folder, part: str, needed: int, horizon: float) -> int:
    """Remove what came before the horizon, and before a segment that is needed, from a folder; returns how many."""
    count = 0
    with its_own.folder(part) as folder:
        for name in folder.names():
            segment, status = OF_SEGMENT.match(name), folder.status(name)
            if segment and status and number(segment["name"]) < needed and status.st_mtime <= horizon:
                folder.remove(name)
                count += 1
    return count


def forget(settings: Settings) -> list[str]:
    """Remove copies of files that have expired, wherever this host itself has put them; returns what went."""
    gone: list[str] = []
    known = secrets()
    for target in settings.uploads.get("targets", []):
        restic = Restic.of(target, known)

        def go(restic: Restic = restic) -> None:
            copies = {str(copy["id"]): float(moment_of(copy)) for copy in restic.snapshots("--no-lock")}
            old = expired(copies, time.time() - settings.keep)
            if old and restic.is_locked():
                # To remove, restic makes a lock that would be in the way of every backup from then on.
                raise HostError("Access denied: not even a lock can be removed.")
            restic.forget(old)
            gone.extend(name[:8] for name in old)

        if target["name"] != "host":
            with private_lock(places.LOCK, PATIENCE, "a backup is at work on this host"):
                note(f"uploads {target['name']}", go, ours=not target["off_machine"])
    return gone


def note(name: str, remove: Callable[[], object], *, ours: bool = False) -> None:
    """Remove what has expired, and write down what came of it: a key without that right is no failure of a backup.

    On a disk of `ours` there is no such key.
    """
    reason = ""
    try:
        remove()
    except (HostError, OSError) as error:
        reason = str(error)
    known = read(places.EXPIRED)
    line = {"time": time.time(), "reason": reason, "denied": not ours and bool(DENIED.search(reason))}
    write_atomic(places.EXPIRED, json.dumps({**known, name: line}), 0o600)


def expired(arrived: Mapping[str, float], horizon: float) -> list[str]:
    """Return the names that nothing since the horizon needs: of those that arrived before it, the newest has to stay.

    Args:
        arrived: when each came here, in seconds since the epoch.
        horizon: since when every moment can be restored.
    """
    before = sorted((time, name) for name, time in arrived.items() if time <= horizon)
    return [name for _, name in before[:-1]]


def arrival(path: str) -> float:
    """Return when something came here; what cannot be looked at has just come."""
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return time.time()
