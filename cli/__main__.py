"""`samestack VERB [ENVIRONMENT] [options]`."""

from __future__ import annotations

from . import (
    adopting,
    audit,
    backups,
    completion,
    computer,
    copies,
    debugging,
    environment,
    hosts,
    inside,
    machines,
    mail,
    parity,
    pipelining,
    releases,
    repository,
    secrets,
    status,
    updating,
)
from .command import Samestack

#: The order of the groups in the help
NOUNS = (
    adopting, updating, pipelining, machines, computer, hosts, secrets, releases, backups, copies, environment, status,
    parity, audit, inside, mail, debugging, repository, completion,
)  # fmt: skip


def command() -> Samestack:
    """Return the whole command, with every verb."""
    front_door = Samestack()
    for noun in NOUNS:
        for verb in noun.VERBS:
            front_door.add_command(verb)
    return front_door


if __name__ == "__main__":
    command().main(prog_name="samestack")
