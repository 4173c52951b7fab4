"""What role watch has decided for this host (/etc/samestack/watch.json), and where things are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..common.errors import HostError
from ..common.files import read_json
from ..common.paths import CONFIG, STATE

FILE = f"{CONFIG}/watch.json"
#: What is known from one look to the next: root's alone
KEPT = f"{STATE}/watch"
MEMORY = f"{KEPT}/memory.json"


@dataclass(frozen=True)
class Settings:
    """What there is to watch on this host."""

    app: str
    environment: str
    #: This host's name in the inventory
    name: str
    #: What comes after a verb that is about this host's environment: `staging`, `staging --rehearsal`
    where: str
    root: str
    #: A local stand-in: it tells nobody
    rehearsal: bool = False
    #: The names and the page by which visitors find the site; {} where this host does not serve it
    site: dict[str, Any] = field(default_factory=dict)
    #: Processes of the application that this host has, by name
    workers: tuple[str, ...] = ()
    timers: tuple[str, ...] = ()
    #: The timers whose jobs print how long the oldest job waits
    backlogs: tuple[str, ...] = ()
    runs: bool = False
    #: Units that run where they are enabled
    units: tuple[str, ...] = ()
    #: The application's database where its server is here: port, name, owner, version, unit
    database: dict[str, Any] = field(default_factory=dict)
    #: The services that are here, by their roles' names
    services: tuple[str, ...] = ()
    backups: bool = False
    #: A node exporter reads what a look finds
    metrics: bool = False
    #: The hosts of the environment (`name`, `address`) in the inventory's order; none where this is the only one
    peers: tuple[dict[str, str], ...] = ()
    #: What is too much (`watch_…`)
    limits: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str = FILE) -> Settings:
        """Return the settings of this host; raises HostError where role watch was not here yet."""
        found = read_json(path)
        if found is None:
            raise HostError(f"Nobody watches this host yet ({path}).", "Provision once.")
        for name in ("workers", "timers", "backlogs", "units", "services", "peers"):
            found[name] = tuple(found[name])
        return cls(**found)
