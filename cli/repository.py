"""Work on this repository itself."""

from __future__ import annotations

import os

import click

from .command import rest_of, verb
from .playbook import environment
from .project import ENGINE

GROUP = "This repository"


def become(*command: str) -> None:
    """Go on as another program of the repository, which works on projects of its own."""
    os.chdir(ENGINE)
    own = {
        name: text for name, text in environment().items() if name not in ("SAMESTACK_PROJECT", "SAMESTACK_CALLED_FROM")
    }
    os.execve(command[0], list(command), own)


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


@verb("corpus", group=GROUP, example=["samestack corpus", "samestack corpus -- healthchecks --up"], rest="NAME…")
@click.pass_context
def corpus(ctx: click.Context) -> None:
    """Try `init` on the public projects of tests/corpus/, as far as they can be fetched."""
    become(".venv/bin/python", "-m", "tests.corpus", *rest_of(ctx))


VERBS = (check, test, soak, bench, corpus)
