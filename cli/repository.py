"""Work on this repository itself."""

from __future__ import annotations

import os

import click

from .command import rest_of, verb
from .playbook import environment
from .project import ENGINE

GROUP = "This repository"


def become(*command: str) -> None:
    """Go on as another program of the repository."""
    os.chdir(ENGINE)
    os.execve(command[0], list(command), environment())


@verb("check", group=GROUP, example="samestack check")
def check() -> None:
    """Run linters, unit tests, template and inventory tests: about a minute."""
    become("tests/run", "check")


@verb("test", group=GROUP, example="samestack test")
def test() -> None:
    """Run everything, on real machines: about half an hour."""
    become("tests/run", "test")


@verb("soak", group=GROUP, example="samestack soak")
def soak() -> None:
    """Run the long tests."""
    become("tests/run", "soak")


@verb("bench", group=GROUP, example=["samestack bench", "samestack bench -- noop"], rest="PART…")
@click.pass_context
def bench(ctx: click.Context) -> None:
    """Benchmark Samestack against plain equivalents."""
    become("bench/run", *rest_of(ctx))


VERBS = (check, test, soak, bench)
