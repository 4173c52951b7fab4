"""What a backup host keeps, and for how long: by the time of arrival here, and by nothing that came with it.

Whoever has broken in on the database host can hand over backups that pretend to be old, or new. Neither shortens the
life of those that are here.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from . import settings as places
from .pgbackrest import PgBackRest
from .restic import Restic
from .settings import Settings, secrets

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        known = secrets()
        restic = Restic(target["address"], {name: known[secret] for name, secret in target["secrets"].items()})
        folder = os.path.join(target["address"], "snapshots")
        copies = (
            {name: arrival(os.path.join(folder, name)) for name in os.listdir(folder)} if os.path.isdir(folder) else {}
        )
        old = expired(copies, now - settings.keep)
        restic.forget(old)
        gone += [name[:8] for name in old]
    return gone


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
