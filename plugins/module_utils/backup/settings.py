"""What role backup has decided for this host (/etc/samestack/backup.json), and where things are."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from typing import Any

from ..common.errors import HostError
from ..common.paths import CONFIG, RUN, STATE

FILE = f"{CONFIG}/backup.json"
#: Root's alone; units of other accounts get it as a credential
SECRETS = f"{CONFIG}/backup.secrets"
#: The authority of the environment's own machines
AUTHORITY = f"{CONFIG}/backup-ca.crt"
#: The repository on this host: the server's own, or the copy that a backup host keeps
REPOSITORY = "/var/lib/pgbackrest"
#: What a host that keeps them has handed over for one restore: a repository of its own, on the same disk
GIVEN = f"{REPOSITORY}/samestack-given"
#: What tells one repository from another that was made in its place
IDENTITY = "samestack-id"
#: What is known of backups beside their repository
KEPT = f"{STATE}/backup"
MOMENTS, POINTS = f"{KEPT}/moments.jsonl", f"{KEPT}/points.jsonl"
LAST, TOLD, LOOKED, INDEX, VERIFIED, DRILL, EXPIRED, NIGHTLY = (
    f"{KEPT}/{name}.json" for name in ("last", "told", "looked", "index", "verified", "drill", "expired", "nightly")
)
#: The repositories that could be opened once, as they were declared then
OPENED = f"{KEPT}/opened.json"
#: When each repository was last tried; which one the next drill is to try, where somebody has said so
TRIED = f"{KEPT}/tried.json"
WANTED = f"{KEPT}/drill-wanted.json"
#: WAL that was given up so that the disk does not fill, by its first name
DROPPED = "/var/lib/postgresql/samestack-dropped"
#: Root's: what a drill is given, with a release's code and its Python. Below it is the drill's own
DRILL_PLACE = "/var/lib/samestack-drill"
DRILL_CODE, DRILL_HOME = f"{DRILL_PLACE}/code", f"{DRILL_PLACE}/work"
#: What the process says that fetches from the database host
FETCHING = "/run/samestack-backup/fetch.json"
LOCK = f"{RUN}/backup.lock"


@dataclass(frozen=True)
class Settings:
    """This host's part in the environment's backups."""

    app: str
    environment: str
    #: database: its server is here; uploads: the application's files are here; keeps: it has the others' backups
    does: frozenset[str]
    #: The account that owns the repository
    account: str
    stanza: str
    database: dict[str, Any] = field(default_factory=dict)
    #: Each with number (pgBackRest's, 0 for one that another host keeps), name, type, off_machine
    repositories: tuple[dict[str, Any], ...] = ()
    #: Folders, and where they are copied to (address, secrets' names, authority)
    uploads: dict[str, Any] = field(default_factory=dict)
    offer: dict[str, Any] = field(default_factory=dict)
    fetch: dict[str, Any] = field(default_factory=dict)
    #: Seconds for which every moment can be restored
    keep: int = 30 * 86400
    #: Seconds that may be lost; percent of a disk from which on WAL is given up (0: never)
    loss: int = 60
    limit: int = 90
    root: str = ""
    #: What a drill asks the application for: path, host, and its environment without secrets
    drill: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str = FILE) -> Settings:
        """Return the settings of this host; raises HostError where role backup was not here yet."""
        try:
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
        except FileNotFoundError:
            raise HostError(f"There are no backups on this host yet ({path}).", "Provision once.") from None
        return cls(**{**found, "does": frozenset(found["does"]), "repositories": tuple(found["repositories"])})

    def room(self, path: str) -> tuple[int, int]:
        """Return how many bytes are free on the disk of a folder, and how many of them have to stay so (`limit`)."""
        disk = shutil.disk_usage(path)
        return disk.free, (disk.used + disk.free) * (100 - self.limit) // 100 if self.limit else 0

    @property
    def upload_folders(self) -> list[str]:
        """Return where on this host's own disks copies of files are."""
        places = [str(target["address"]) for target in self.uploads.get("targets", [])]
        return [place for place in places if place.startswith("/")]

    @property
    def kept(self) -> bool:
        """Return whether anything is kept off this machine, be it by another host of ours."""
        return bool(self.offer) or any(one["off_machine"] for one in self.repositories)

    @property
    def own_repositories(self) -> list[dict[str, Any]]:
        """Return the repositories that this host's pgBackRest knows."""
        return [one for one in self.repositories if one["number"]]


def secrets() -> dict[str, str]:
    """Return the secrets by name, from the unit's credential or, where it has none of them, root's file."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    given = os.path.join(folder, "secrets") if folder else SECRETS
    with open(given if os.path.exists(given) else SECRETS, encoding="utf-8") as file:
        found: dict[str, str] = json.load(file)
    return found


def read_lines(path: str) -> list[dict[str, Any]]:
    """Return a file of JSON lines, the oldest first, without those that are not whole."""
    found = []
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for text in file:
                try:
                    line = json.loads(text)
                except ValueError:
                    continue
                if isinstance(line, dict):
                    found.append(line)
    except FileNotFoundError:
        pass
    return found


def read(path: str) -> dict[str, Any]:
    """Return a file's JSON object, {} where there is none that is whole."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
