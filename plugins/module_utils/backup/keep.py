"""What a backup host keeps, and for how long: by the time of arrival here, and by nothing that came with it.

Whoever has broken in on the database host can hand over backups that pretend to be old, or new. Neither shortens the
life of those that are here.
"""

from __future__ import annotations

import json
import os
import re
import time
from typing import TYPE_CHECKING

from ..common.errors import HostError
from ..common.files import write_atomic
from ..common.host_lock import private_lock
from . import settings as places
from .pgbackrest import PgBackRest
from .restic import Restic, moment_of
from .settings import Settings, read, secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Seconds to wait for a backup that is at work
PATIENCE = 3600
#: How services say that a key may not remove
DENIED = re.compile(r"access ?denied|permission denied|\b403\b", re.IGNORECASE)


def keep(settings: Settings) -> list[str]:
    """Remove what is older than every moment that has to be restored needs; returns what went. Raises HostError."""
    now, gone = time.time(), []
    pgbackrest = PgBackRest(settings.stanza, settings.account)
    top = os.path.join(places.REPOSITORY, "backup", settings.stanza)
    fulls = [one.label for one in pgbackrest.backups() if one.kind == "full"]
    for label in expired({label: arrival(os.path.join(top, label)) for label in fulls}, now - settings.keep):
        pgbackrest.expire(label, 1)
        gone.append(label)
    for target in settings.uploads.get("targets", []):
        restic = Restic.of(target, secrets())
        folder = os.path.join(target["address"], "snapshots")
        copies = (
            {name: arrival(os.path.join(folder, name)) for name in os.listdir(folder)} if os.path.isdir(folder) else {}
        )
        old = expired(copies, now - settings.keep)
        restic.forget(old)
        gone += [name[:8] for name in old]
    return gone


def forget(settings: Settings) -> list[str]:
    """Remove copies of files that have expired, wherever this host itself has put them; returns what went."""
    gone: list[str] = []
    known = secrets()
    for target in settings.uploads.get("targets", []):
        restic = Restic.of(target, known)

        def go(restic: Restic = restic) -> None:
            copies = {str(copy["id"]): float(moment_of(copy)) for copy in restic.snapshots("--no-lock")}
            old = expired(copies, time.time() - settings.keep)
            restic.forget(old)
            gone.extend(name[:8] for name in old)

        if target["name"] != "host":
            with private_lock(places.LOCK, PATIENCE, "a backup is at work on this host"):
                note(f"uploads {target['name']}", go)
    return gone


def note(name: str, remove: Callable[[], object]) -> None:
    """Remove what has expired, and write down what came of it: a key without that right is no failure of a backup."""
    reason = ""
    try:
        remove()
    except HostError as error:
        reason = str(error)
    known = read(places.EXPIRED)
    line = {"time": time.time(), "reason": reason, "denied": bool(DENIED.search(reason))}
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
