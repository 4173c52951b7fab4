"""Data that goes from one environment to another, and what people bring themselves."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from .command import (
    Environment,
    Exit,
    check_rehearsal,
    environment_argument,
    rehearsal_option,
    rest_of,
    stop,
    verb,
)  # fmt: skip
from .playbook import Run, played
from .project import STATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GROUP = "Data"
#: Asked on the database's machine as the role that only looks: bytes, tables with rows, the newest migration's time
LOOK = """
SELECT pg_catalog.json_build_object('size', pg_catalog.pg_size_pretty(pg_catalog.pg_database_size(
    pg_catalog.current_database())), 'tables', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema'
        AND pg_catalog.pg_relation_size(c.oid) > 0))
"""

confirm_option = click.option("--confirm", is_flag=True, help="Replace what is there without a question.")
no_restore_point_option = click.option(
    "--no-restore-point", is_flag=True, help="Replace the database without copying it first."
)


@played(
    "restore",
    group=GROUP,
    example=["samestack restore staging --from production", "samestack restore staging --from production --confirm"],
    page="copies",
    default="staging",
    waits=True,
)
@click.option("--from", "source", type=Environment(), required=True, help="The environment whose data it gets.")
@confirm_option
@no_restore_point_option
def restore(on: Run, source: str, confirm: bool, no_restore_point: bool) -> None:
    """Replace an environment's data with a sanitised copy of another one's."""
    if source == on.environment:
        raise click.UsageError(f"--from {source}: that is where the data goes. Name another environment.")
    if on.environment == "production":
        raise click.UsageError("production gets nobody else's data: what is in it is the original.")
    if source == "dev":
        raise click.UsageError("--from dev: dev's data stays there.")
    point = {"release_restore_points": "never"} if no_restore_point else {}
    hand_over(replace(on, environment=source), on, confirm=confirm, name="restore", **point)


@verb(
    "sanitise",
    group=GROUP,
    example=["samestack sanitise init", "samestack sanitise check production"],
    page="copies",
    rest="ANSIBLE OPTIONS",
)
@click.argument("action", type=click.Choice(["init", "check"]))
@environment_argument()
@rehearsal_option
@click.pass_context
def sanitise(ctx: click.Context, action: str, environment: str, rehearsal: bool) -> None:
    """Propose what becomes of each field in a copy, or check that all are declared (sanitise.yml)."""
    check_rehearsal(environment, rehearsal=rehearsal)
    on = Run(environment, rehearsal, tuple(rest_of(ctx)))
    if action == "init":
        on.play("sanitise")
    else:
        on.play("copy", "--check")


def hand_over(source: Run, target: Run, *, confirm: bool, name: str, **variables: Any) -> None:
    """Have a sanitised copy made, and let it take the place of what the target has."""
    check = "--check" in target.options
    if not check:
        ask(target, f"with a sanitised copy of {source.environment}", confirm=confirm)
    with own_copy(source.environment) as file:
        source.play("copy", copy_file=str(file), copy_partner=target.environment)
        target.play("load", copy_file=str(file), copy_partner=source.environment, copy_verb=name, **variables)


@contextlib.contextmanager
def own_copy(name: str) -> Iterator[Path]:
    """Give the path of a file that is gone when the block ends, with what runs that were cut off have left."""
    folder = STATE / "copies"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for old in folder.iterdir():
        if not is_running(old.stem.rpartition("-")[2]):
            old.unlink()
    file = folder / f"{name}-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.pgdump"
    try:
        yield file
    finally:
        for one in (file, file.with_suffix(".json")):
            one.unlink(missing_ok=True)


def is_running(process: str) -> bool:
    """Return whether a process of this computer is there."""
    return process.isdecimal() and os.path.exists(f"/proc/{process}")


def ask(on: Run, what: str, *, confirm: bool) -> None:
    """Have it confirmed that what is there is replaced; ends this program where nobody says so."""
    there = content(on)
    where = f"{on.environment}{' (its local stand-in)' if on.rehearsal else ''}"
    if confirm or not there.get("tables"):
        return
    text = f"{where} has a database of {there['size']}, {there['tables']} tables of which have rows. "
    text += f"It is replaced {what}."
    if not sys.stdin.isatty():
        stop(f"{text} Nothing was done. To say that this is meant: --confirm", Exit.FAILED)
    click.echo(text)
    if click.prompt(f"Type {on.environment} to go on", default="", show_default=False).strip() != on.environment:
        stop("Nothing was done.", Exit.FAILED)


def content(on: Run) -> dict[str, Any]:
    """Return what an environment's database has; {} where there is none."""
    from .inside import Place

    place = Place(on.environment, "db", rehearsal=on.rehearsal)
    known = place.variables
    where = [f"--port={known['database_port']}", f"--dbname={known['database_name']}", "--username=samestack"]
    said = place.said(
        ["sudo", "-u", "postgres", "env", "PGOPTIONS=-c search_path=pg_catalog", "psql", "-XqAt", *where], LOOK
    )
    try:
        found: dict[str, Any] = json.loads(said)
    except ValueError:
        return {}
    return found


VERBS = (restore, sanitise)
