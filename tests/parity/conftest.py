"""All three environments, provisioned, with the example site on them."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.machines import environment, the_environment
from tests.support.team import Team

if TYPE_CHECKING:
    from tests.support.machines import Environment, Machine

__all__ = ["environment"]

LIVE = "/srv/live"


class Rehearsal(Team):
    """A team whose dev, staging and production can be compared."""

    @property
    def dev(self) -> Machine:
        """Return the machine of dev."""
        return the_environment(self.clone.folder / "inventories/dev.yml").machine("dev1")

    def begin(self) -> None:
        """Have everything built, and the same code everywhere."""
        project = self.clone.folder / "examples" / "noticeboard"
        self.start(project)
        checkout = {"type": "git", "url": str(self.repository), "ref": "main", "live_checkout": str(self.repository)}
        self.clone.decide(app_source=checkout)
        self.share_live_code()
        self.clone.samestack("provision")
        self.clone.samestack("deploy")
        self.deploy("staging", "v1")
        self.samestack("accept", "staging")
        self.samestack("promote", "production")

    def share_live_code(self) -> None:
        """Put the application's folder where Vagrant would: on dev's machine."""
        dev = self.dev
        dev.run(f"mkdir -p {LIVE} && chown 1000:1000 {LIVE}")
        packed = subprocess.run(["tar", "-C", str(self.repository), "-c", "."], check=True, stdout=subprocess.PIPE)
        unpack = ["ssh", *dev.ssh_options, f"{dev.variable('ansible_user')}@dev1", "tar", "-C", LIVE, "-x"]
        subprocess.run(unpack, input=packed.stdout, check=True)

    def parity(self, *names: str, **how: str | bool) -> dict[str, Any]:
        """Return what `./samestack parity` says for programs; whether it went well must fit."""
        options = [f"--{name}" if text is True else f"--{name}={text}" for name, text in how.items()]
        status = self.clone.run("./samestack", "parity", *names, "--rehearsal", "--json", *options)
        text = self.clone.output
        assert "{\n" in text, text[-3000:]
        found: dict[str, Any] = json.loads(text[text.index("{\n") : text.rindex("\n}") + 2])
        assert (status == 0) == found["match"]
        return found


@pytest.fixture(scope="session")
def team(environment: Environment) -> Rehearsal:
    """Dev with live code, staging and production with the same release."""
    found = Rehearsal(environment)
    found.begin()
    return found
