"""Production with its backups in a bucket and on an sftp server; staging, of another Debian, in the bucket alone.

The files are played in their order, each with what the ones before have left.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.backups.conftest import CLONE, Backups, Writer
from tests.support.machines import environment, wait_for
from tests.support.storage import StorageMachine
from tests.support.team import Team

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.machines import Environment

__all__ = ["environment"]

SCENARIO = os.environ.get("MOLECULE_SCENARIO_NAME", "soak-repositories")
RELEASE = "trixie"
#: Where production's are in a bucket, and below the path on a server
DATABASE = "noticeboard/rehearsal-production/database"
REHEARSAL = "inventories/group_vars/rehearsal/differences.yml"
SECRETS = ".samestack/secrets"
LAST = "/var/lib/samestack/backup/last.json"


class Kept(Backups):
    """An environment whose backups are elsewhere."""

    def __init__(self, team: Team, kind: str, storage: StorageMachine) -> None:
        super().__init__(team, kind)
        self.storage = storage

    def decide(self, *repositories: dict[str, Any]) -> None:
        """Write down where its backups go."""
        self.team.clone.decide(f"{self.kind}/differences.yml", backup_repositories=list(repositories))

    def trust(self, who: str) -> None:
        """Put the key of one of the service's users into the environment's secrets."""
        give_secrets(self.team, self.kind, self.storage.secrets(who))

    def repository(self, name: str) -> dict[str, Any]:
        """What is known of one repository."""
        (host,) = [host for host in self.status()["hosts"].values() if "database" in host["does"]]
        (found,) = [one for one in host["repositories"] if one["name"] == name]
        return dict(found)

    def made_anew(self) -> None:
        """Cut the machine's power, throw its disk away, and put an empty one in its place."""
        name, root = self.source.name, self.team.clone.folder
        host = f"{SCENARIO}-{name}"
        subprocess.run([CLONE / "box/host", "down", host], check=True)
        done = subprocess.run([CLONE / "box/host", "up", host, RELEASE], check=True, stdout=subprocess.PIPE, text=True)
        before, now = str(self.source.variable("machine_address")), done.stdout.strip()
        for file in (root / ".samestack/ssh_config", root / "inventories/rehearsal.yml"):
            file.write_text(file.read_text(encoding="utf-8").replace(before, now), encoding="utf-8")
        subprocess.run(["ssh-keygen", "-q", "-f", root / ".samestack/known_hosts", "-R", name], check=False)
        # It was asked for once.
        vars(self.source).pop("address", None)
        self.storage.known_to(self.source)


def give_secrets(team: Team, kind: str, values: dict[str, str]) -> None:
    """Write secrets into the file of a stand-in, as people do."""
    file = team.clone.folder / SECRETS / f"{kind}.yml"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}
    file.touch(0o600)
    file.write_text(yaml.safe_dump({**(known or {}), **values}), encoding="utf-8")


def decide_nothing_for_both(team: Team) -> None:
    """Take what the scenario has decided for want of a machine in group backup back."""
    file = team.clone.folder / REHEARSAL
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    kept = {name: value for name, value in values.items() if not name.startswith("backup_")}
    file.write_text(yaml.safe_dump(kept, sort_keys=False), encoding="utf-8")


@pytest.fixture(scope="session")
def storage(environment: Environment) -> StorageMachine:
    """The machine with the bucket and the sftp server."""
    top = environment.site.root
    found = StorageMachine(top / ".samestack/ssh_config", top / ".samestack/storage")
    if not (found.folder / "issued.json").exists():
        found.start()
    return found


@pytest.fixture(scope="session")
def team(environment: Environment, storage: StorageMachine) -> Team:
    """Both environments, with the example's first version."""
    found = Team(environment)
    if not found.repository.exists():
        decide_nothing_for_both(found)
        places = {"production": [storage.s3(), storage.sftp()], "staging": [storage.s3(path_style=False)]}
        for kind, repositories in places.items():
            found.clone.decide(f"{kind}/differences.yml", backup_repositories=repositories)
            give_secrets(found, kind, storage.secrets())
            storage.known_to(found.machine(kind))
        found.start(found.clone.folder / "examples" / "noticeboard")
        found.both(lambda team, kind: team.deploy(kind, "v1"))
    return found


@pytest.fixture(scope="session")
def production(team: Team, storage: StorageMachine) -> Kept:
    """Production: its backups are in a bucket and on an sftp server."""
    return Kept(team, "production", storage)


@pytest.fixture(scope="session")
def staging(team: Team, storage: StorageMachine) -> Kept:
    """Staging, of another Debian: its backups are in a bucket."""
    return Kept(team, "staging", storage)


@pytest.fixture(params=["production", "staging"])
def kept(request: pytest.FixtureRequest) -> Kept:
    """Each of the two."""
    found: Kept = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def mended(production: Kept) -> Iterator[Kept]:
    """Production, which is well before and afterwards again."""
    assert production.well()
    yield production
    if not json.loads(production.source.run(f"cat {LAST}"))["last"]["ok"]:
        # The clock's own backup fell into it, and stays a failure until the next one.
        production.make()
    well(production)


def well(kept: Kept) -> None:
    """Wait until all is well again."""
    wait_for("all to be well again", kept.well, 120)


@pytest.fixture
def writer(production: Kept) -> Iterator[Writer]:
    """A client that writes."""
    client = Writer(production)
    client.start()
    yield client
    client.stop()


def quietly(ask: Callable[[], object]) -> object:
    """The answer, None where there is none."""
    try:
        return ask()
    except (OSError, AssertionError, StopIteration):
        return None
