"""Development, staging and production side by side, each provisioned and deployed by its own verbs."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from support.clone import Clone
from support.machines import environment

if TYPE_CHECKING:
    from support.machines import Environment, Machine

__all__ = ["environment"]

ENVIRONMENTS = ("dev", "staging", "production")


class Three:
    """The three environments, and whoever types the verbs."""

    def __init__(self, found: Environment) -> None:
        self.machines = found
        self.clone = Clone(found.site.root)

    def where(self, environment: str) -> list[str]:
        """Return make's arguments that lead to an environment."""
        return [] if environment == "dev" else [f"ENV={environment}", "REHEARSAL=1"]

    def build(self) -> None:
        """Have all three provisioned and deployed; development serves a copy of the example live."""
        put = "sudo mkdir -p /srv/live && sudo chown vagrant: /srv/live && tar -C /srv/live -x"
        packed = subprocess.run(
            ["tar", "-C", "examples/noticeboard", "-c", "."], cwd=self.clone.folder, check=True, stdout=subprocess.PIPE
        )
        ssh = ["ssh", "-F", ".samestack/ssh_config", "dev1", put]
        subprocess.run(ssh, cwd=self.clone.folder, check=True, input=packed.stdout)
        for name in ENVIRONMENTS:
            self.clone.make("provision", *self.where(name))
            self.clone.make("deploy", *self.where(name))

    def parity(self, *arguments: str) -> tuple[int, str]:
        """Ask for the report; returns the exit code and what was printed."""
        return self.clone.run("make", "parity", *arguments), self.clone.output

    def report(self, *arguments: str) -> dict[str, Any]:
        """Return the report as programs read it."""
        self.clone.run("make", "-s", "parity", "FORMAT=json", *arguments)
        text = self.clone.output
        found: dict[str, Any] = json.loads(text[text.index("{\n") : text.rindex("\n}") + 2])
        return found

    @property
    def production(self) -> Machine:
        """The machine of production."""
        return self.machines.machines("production")[0]


@pytest.fixture(scope="session")
def three(environment: Environment) -> Three:
    """Three environments that nobody has touched since our runs."""
    found = Three(environment)
    found.build()
    return found
