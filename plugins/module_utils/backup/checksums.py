"""Checksums of the database's pages, for a server that was made without: rot is then found when it is backed up.

They are put on while the server is down. systemd does it, as a step of the server's next start: whoever else starts it
waits for that, it starts whatever comes of it, and a power cut leaves nothing of it behind.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..common.errors import HostError
from ..common.files import write_atomic
from ..common.folders import make_folder, remove
from ..common.host_lock import private_lock
from ..common.systemd import run
from ..postgresql.server import Server
from . import settings as places

if TYPE_CHECKING:
    from .settings import Settings

DROP_IN = "/run/systemd/system/{unit}.d/samestack-checksums.conf"
STEP = """[Service]
ExecStartPre=-/usr/lib/postgresql/{version}/bin/pg_checksums --enable -D {data}
TimeoutStartSec=infinity
"""
#: Seconds to wait for a backup that is at work
PATIENCE = 3600
SIZE = (
    "SELECT pg_catalog.pg_size_pretty(COALESCE(sum(pg_catalog.pg_database_size(oid)), 0)) FROM pg_catalog.pg_database"
)


def there(settings: Settings) -> bool | None:
    """Return whether the server here has checksums of its pages; None where it cannot be asked."""
    if "database" not in settings.does:
        return None
    try:
        return Server(int(settings.database["port"]), "backup").sql("SHOW data_checksums") == "on"
    except HostError:
        return None


def enable(settings: Settings) -> None:
    """Put checksums on the pages of the server here, which is down meanwhile; raises HostError."""
    database: dict[str, Any] = settings.database
    path = DROP_IN.format(**database)
    with private_lock(places.LOCK, PATIENCE, "a backup is at work on this host"):
        make_folder(os.path.dirname(path)).close()
        write_atomic(path, STEP.format(**database), 0o644)
        try:
            run(["systemctl", "daemon-reload"])
            run(["systemctl", "restart", database["unit"]], database["unit"])
        finally:
            remove(path)
            run(["systemctl", "daemon-reload"])
    if not there(settings):
        raise HostError(
            "No checksums were put on the database's pages; the server runs as before.",
            f"`journalctl -u {database['unit']}` says why.",
        )


def missing(settings: Settings) -> str:
    """Return what to say where there are none; raises HostError."""
    size = Server(int(settings.database["port"]), "backup").sql(SIZE)
    return (
        "The database has no page checksums: rot would be backed up unseen. The next `./samestack provision` while "
        f"visitors see the maintenance page adds them, and stops the server for as long as {size} take to be read and "
        "written (docs/backups.md)"
    )
