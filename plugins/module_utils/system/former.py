"""An application that a machine had before: its units, its programs and its releases go; its data when that is asked.

What is kept of it (uploads, database, restore points, the accounts to which they belong) nobody can reach any more: no
unit, no site and no rule of the firewall is left, and root alone may enter the folder.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from ..common.errors import HostError
from ..common.folders import PRIVATE, make_folder, open_folder, remove
from ..common.paths import STATE
from ..common.postgresql import READER, identifier, literal
from ..common.systemd import run
from ..postgresql.ownership import Names
from ..postgresql.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterable

UNITS = "/etc/systemd/system"
#: Files and folders of an application beside its units
PATHS = (
    "/etc/{app}", "/etc/sysusers.d/{app}.conf", "/etc/tmpfiles.d/{app}.conf", "/etc/nftables.d/{app}.nft",
    "/etc/nginx/tls/{app}.crt", "/etc/nginx/tls/{app}.key", "/etc/letsencrypt/renewal/{app}.conf",
    "/usr/local/lib/samestack/{app}-start", "/usr/local/lib/samestack/{app}-serve",
    "/usr/local/lib/samestack/{app}-sandbox", "/usr/local/lib/samestack/{app}-share", "/usr/local/bin/{app}-manage",
    "/run/{app}", "/var/cache/samestack/{app}",
    f"{STATE}/owed/{{app}}", f"{STATE}/paused/{{app}}",
)  # fmt: skip
ROOT, SHARED, RESTORE_POINTS = "/srv/{app}", "shared", f"{STATE}/restore-points/{{app}}"
ACCOUNTS = ("{app}", "{app}-owner", "{app}-fetch")

DATABASE = "SELECT 1 FROM pg_database WHERE datname = {name}"
ROLES = "SELECT rolname FROM pg_roles WHERE rolname IN ({names})"


def unit_pattern(app: str) -> re.Pattern[str]:
    """Return the pattern of an application's units, of their drop-in folders and of their template units."""
    name = re.escape(app)
    return re.compile(rf"{name}\.service|{name}-(?:web@|worker-[\w-]+@|timer-[\w-]+\.).*")


class Former:
    """An application that is to go from this machine."""

    def __init__(self, app: str, current: str, *, check: bool = False) -> None:
        """Take its name, that of the application which is here now, and whether to look only. Raises HostError."""
        if app == current:
            raise HostError(f"{app} is the application of this machine, and no former one. Nothing was taken away.")
        self.app, self.current, self.check = app, current, check
        self.done: list[str] = []

    def is_ours(self, name: str) -> bool:
        """Return whether a unit or a file of one is this application's: another one's name may begin with it."""
        return bool(unit_pattern(self.app).fullmatch(name)) and not unit_pattern(self.current).fullmatch(name)

    def take_away(self) -> None:
        """Take away what runs and what it ran from."""
        self.stop()
        self.remove([f"{UNITS}/{name}" for name in self.named(UNITS)])
        for folder in (name for name in listed(UNITS) if name.endswith(".wants")):
            self.remove([f"{UNITS}/{folder}/{name}" for name in self.named(f"{UNITS}/{folder}")])
        firewall = os.path.lexists(f"/etc/nftables.d/{self.app}.nft")
        self.remove([path.format(app=self.app) for path in PATHS])
        root = ROOT.format(app=self.app)
        self.remove([f"{root}/{name}" for name in listed(root) if name != SHARED])
        if os.path.isdir(root) and not self.check:
            # Whoever has its account's number reaches nothing of it.
            make_folder(root, PRIVATE).close()
        if self.done and not self.check:
            run(["systemctl", "daemon-reload"])
            if firewall:
                run(["systemctl", "try-reload-or-restart", "nftables.service"])

    def stop(self) -> None:
        """Stop and disable its units."""
        shown = run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "--no-pager", f"{self.app}*"])
        units = [line.split()[0] for line in shown.splitlines() if line.split() and self.is_ours(line.split()[0])]
        # Timers and the unit of the boot first, so that nothing is started anew.
        units.sort(key=lambda name: (not name.endswith(".timer"), name != f"{self.app}.service", name))
        if units:
            self.done.append(f"stopped {', '.join(units)}")
            if not self.check:
                run(["systemctl", "stop", "--", *units])

    def named(self, folder: str) -> list[str]:
        """Return the names in a folder that are this application's."""
        return [name for name in listed(folder) if self.is_ours(name)]

    def remove(self, paths: Iterable[str]) -> None:
        """Remove what is there of some paths."""
        for path in paths:
            if os.path.lexists(path):
                self.done.append(f"removed {path}")
                if not self.check:
                    remove(path)

    def forget(self, port: int) -> None:
        """Take away its data too: uploads, database, restore points, accounts. Raises HostError."""
        database = self.app.replace("-", "_")
        if os.path.isdir("/etc/postgresql"):
            self.drop(Server(port, "provision"), database)
        self.remove([ROOT.format(app=self.app), RESTORE_POINTS.format(app=self.app)])
        for account in (name.format(app=self.app) for name in ACCOUNTS):
            if exists(account):
                self.done.append(f"removed the account {account}")
                if not self.check:
                    run(["userdel", account])

    def drop(self, server: Server, database: str) -> None:
        """Drop its database and its roles. Raises HostError."""
        names = Names(database, database, f"{database}_owner")
        mine = [role.name for role in names.roles(second=True) if role.name != READER]
        if server.sql(DATABASE.format(name=literal(database))):
            self.done.append(f"dropped the database {database}")
            if not self.check:
                server.sql(f"DROP DATABASE {identifier(database)} WITH (FORCE)")
        known = server.sql(ROLES.format(names=", ".join(map(literal, mine)))).split()
        if known:
            self.done.append(f"dropped the roles {', '.join(sorted(known))}")
            if not self.check:
                server.sql(f"DROP ROLE {', '.join(map(identifier, known))}")


def listed(folder: str) -> list[str]:
    """Return the names in a folder of root's, none where there is no such folder."""
    try:
        with open_folder(folder) as found:
            return list(found.names())
    except OSError:
        return []


def exists(account: str) -> bool:
    """Return whether this machine has an account of that name."""
    return subprocess.run(["getent", "passwd", account], capture_output=True, check=False).returncode == 0
