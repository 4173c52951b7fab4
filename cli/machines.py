"""The local machines."""

from __future__ import annotations

import os
import subprocess
import sys

from .command import verb
from .playbook import Run, environment
from .project import ENGINE, PROJECT, inventory_of

GROUP = "Local machines"


@verb("up", group=GROUP, example="samestack up", page="local-machines")
def up() -> None:
    """Create everything, from a bare computer to a running site."""
    box("setup")
    box("machines", "up", "dev1")
    finish("dev1")


@verb("down", group=GROUP, example="samestack down", page="local-machines")
def down() -> None:
    """Halt the local machines."""
    box("machines", "down")


@verb("destroy", group=GROUP, example="samestack destroy", page="local-machines")
def destroy() -> None:
    """Delete the local machines."""
    box("machines", "destroy")


@verb("rehearse", group=GROUP, example="samestack rehearse", page="rehearse")
def rehearse() -> None:
    """Create all three environments as local machines, side by side, provisioned and deployed."""
    names = ("dev1", "staging1", "production1")
    box("setup")
    # What keeps production's backups is built with production.
    keepers = keepers_of("production")
    box("machines", "up", *names, *keepers)
    for name in keepers:
        box("machines", "connect", name)
    for name in names:
        finish(name)


def boot(environment: str) -> None:
    """Boot the local stand-ins of an environment that do not run, anew where they are gone."""
    from box.common import MACHINES
    from box.resolve import Inventory

    os.chdir(PROJECT)
    names = [
        name for name in Inventory(inventory_of(environment, rehearsal=True)).hosts(environment) if name in MACHINES
    ]
    box("machines", "up", *names)
    for name in names:
        box("machines", "connect", name)


def keepers_of(environment: str) -> list[str]:
    """Return the local machines that keep an environment's backups."""
    from box.common import MACHINES
    from box.resolve import Inventory

    os.chdir(PROJECT)
    found = Inventory(inventory_of(environment, rehearsal=True)).hosts(f"{environment}:&backup")
    return [name for name in found if name in MACHINES]


def finish(machine: str) -> None:
    """Bring a machine that has booted to a running site; one that keeps backups is built with what it keeps."""
    if machine in keepers_of("production"):
        box("machines", "connect", machine)
        return
    name = machine.rstrip("0123456789")
    on = Run(name, rehearsal=name != "dev")
    box("machines", "connect", machine)
    on.play("site")
    on.play("deploy")
    box("machines", "welcome", machine)


def box(program: str, *arguments: str) -> None:
    """Run a program of box/ in the foreground; one that fails has said why, and is the end of this one."""
    try:
        done = subprocess.run([str(ENGINE / "box" / program), *arguments], env=environment(), check=False)
    except KeyboardInterrupt:
        sys.exit(130)
    if done.returncode:
        sys.exit(done.returncode if done.returncode > 0 else 128 - done.returncode)


VERBS = (up, down, destroy, rehearse)


if __name__ == "__main__":
    # `vagrant up` has booted it.
    finish(sys.argv[1])
