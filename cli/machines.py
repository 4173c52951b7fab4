"""The local machines."""

from __future__ import annotations

import os
import subprocess
import sys

import click

from box.common import MACHINES

from .command import verb
from .playbook import Run, environment
from .project import ENGINE, PROJECT, inventory_of, known_hosts, left_out

GROUP = "Local machines"


#: The names of the local machines, for shells to complete
machine_argument = click.argument("machine", type=click.Choice(MACHINES), nargs=-1)


@verb("up", group=GROUP, example=["samestack up", "samestack up staging1"], page="local-machines")
@machine_argument
def up(machine: tuple[str, ...]) -> None:
    """Create everything, from a bare computer to a running site; or start single machines that are there."""
    box("setup", "tools")
    look(Run("dev"))
    box("setup")
    if machine:
        box("machines", "up", *machine)
        for name in machine:
            box("machines", "connect", name)
        return
    box("machines", "up", "dev1")
    finish("dev1")


@verb("down", group=GROUP, example=["samestack down", "samestack down staging1"], page="local-machines")
@machine_argument
def down(machine: tuple[str, ...]) -> None:
    """Halt the local machines, or some of them."""
    box("machines", "down", *machine)


@verb("machines", group=GROUP, example="samestack machines", page="local-machines")
def machines() -> None:
    """List the local machines of all projects on this computer: project, machine, state, address."""
    box("machines", "list")


@verb("destroy", group=GROUP, example="samestack destroy", page="local-machines")
def destroy() -> None:
    """Delete the local machines."""
    box("machines", "destroy")


@verb("rehearse", group=GROUP, example="samestack rehearse", page="rehearse")
def rehearse() -> None:
    """Create all three environments as local machines, side by side, provisioned and deployed."""
    names = ("dev1", "staging1", "production1")
    box("setup", "tools")
    look(Run("dev"))
    look(Run("staging", rehearsal=True))
    box("setup")
    # What keeps production's backups is built with production.
    keepers = [name for name in keepers_of("production") if name not in left_out()]
    box("machines", "up", *names, *keepers)
    for name in keepers:
        box("machines", "connect", name)
    for name in names:
        finish(name)


def look(on: Run) -> None:
    """See that the decisions are right and that the source is there, before minutes go into a machine for it."""
    on.play("validate", both=on.rehearsal, release_look="project", preflight_environments="any", preflight_fetches=True)


def boot(environment: str) -> None:
    """Boot the local stand-ins of an environment that do not run, anew where they are gone."""
    from box.resolve import Inventory

    os.chdir(PROJECT)
    hosts = Inventory(inventory_of(environment, rehearsal=True)).hosts(environment)
    names = [name for name in hosts if name in MACHINES and name not in left_out()]
    box("machines", "up", *names)
    for name in names:
        box("machines", "connect", name)


def keepers_of(environment: str) -> list[str]:
    """Return the local machines that keep an environment's backups."""
    from box.resolve import Inventory

    os.chdir(PROJECT)
    found = Inventory(inventory_of(environment, rehearsal=True)).hosts(f"{environment}:&backup")
    return [name for name in found if name in MACHINES]


def rename(on: Run) -> None:
    """Give the local machines of an environment, as far as they are there, the site's names of now.

    Where these are new, all decisions are looked at first: who is refused keeps the names that serve.
    """
    from box.connections import has_connection, has_names

    local = on.rehearsal or on.environment == "dev"
    known = known_hosts(on.environment, rehearsal=on.rehearsal) if local else []
    names = [
        name
        for name in known
        if name in MACHINES and name.startswith(on.environment) and has_connection(name) and not has_names(name)
    ]
    if names:
        on.play("validate", both=on.rehearsal)
    for name in names:
        box("machines", "connect", name)


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


VERBS = (up, down, destroy, rehearse, machines)


if __name__ == "__main__":
    # `vagrant up` has booted it.
    finish(sys.argv[1])
