"""Data that goes from one environment to another, and what people bring themselves."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .command import Environment, Exit, environment_argument, stop
from .playbook import Run, played
from .project import STATE

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "Data"
#: Asked on the database's machine as the role that only looks: its size, and how many tables have rows
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


def from_another(on: Run, source: str, *, confirm: bool, no_point: bool) -> None:
    """Give an environment the data of another one; raises UsageError where that cannot be meant."""
    if source == on.environment:
        raise click.UsageError(f"--from {source}: that is where the data goes. Name another environment.")
    if on.environment == "production":
        raise click.UsageError("production gets nobody else's data: what is in it is the original.")
    if source == "dev":
        raise click.UsageError("--from dev: dev's data stays there.")
    hand_over(replace(on, environment=source), on, confirm=confirm, name="restore", no_point=no_point)


@played(
    "sanitise",
    group=GROUP,
    example=["samestack sanitise init", "samestack sanitise check production"],
    page="copies",
    chosen=False,
)
@click.argument("action", type=click.Choice(["init", "check"]))
@environment_argument()
def sanitise(on: Run, action: str) -> None:
    """Propose what becomes of each field in a copy, or check that all are declared (sanitise.yml)."""
    if action == "init":
        on.play("sanitise")
    else:
        on.play("copy", "--check")


@played(
    "load",
    group=GROUP,
    example=["samestack load shop.pgdump", "samestack load dump.sql.gz staging --rehearsal"],
    page="copies",
    chosen=False,
    waits=True,
)
@click.argument("file", type=click.Path(path_type=Path))
@environment_argument()
@confirm_option
@no_restore_point_option
def load(on: Run, file: Path, confirm: bool, no_restore_point: bool) -> None:
    """Replace the database of a local machine with a dump of your own: SQL, or what pg_dump writes."""
    if on.environment != "dev" and not on.rehearsal:
        raise click.UsageError(
            f"{on.environment}: files are loaded into local machines: dev, or a stand-in (--rehearsal). Into the "
            f"database of a server: ./samestack dbshell {on.environment} --as owner < {file}"
        )
    file = place_of(file)
    if not file.is_file():
        raise click.UsageError(f"{file}: there is no such file.")
    if "--check" not in on.options:
        ask(on, f"with what is in {file.name}", confirm=confirm)
    point = "never" if no_restore_point else ""
    on.play("load", copy_file=str(file), copy_partner=file.name, copy_verb="load", release_restore_points=point)


@played(
    "dump",
    group=GROUP,
    example=["samestack dump", "samestack dump dev --output shop.sql", "samestack dump production"],
    page="copies",
    waits=True,
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file; .sql is written as SQL (dev alone).")
def dump(on: Run, output: Path | None) -> None:
    """Write an environment's database to a file of your own: dev's as it is, others' as a sanitised copy."""
    name = f"{on.environment}-{time.strftime('%Y-%m-%dT%H%M')}.pgdump"
    file = place_of(output or Path(name))
    if file.exists():
        raise click.UsageError(f"{file} is there already. Name another one: --output")
    if on.environment == "dev":
        dump_as_it_is(on, file)
    elif file.suffix == ".sql":
        raise click.UsageError(f"{file.name}: a sanitised copy is written as pg_dump does. Name it {file.stem}.pgdump")
    else:
        with own_copy(on.environment) as copied:
            on.play("copy", copy_file=str(copied), copy_partner="a file")
            if copied.exists():
                shutil.move(copied, file)
    if file.exists():
        click.echo(f"{file} ({file.stat().st_size >> 10} KiB). `samestack load {file.name}` loads it.")


def dump_as_it_is(on: Run, file: Path) -> None:
    """Write the database of a local machine to a file that nobody else reads."""
    from .inside import Place

    place = Place(on.environment, "db", rehearsal=on.rehearsal)
    known = place.variables
    kind = ["--format=plain", "--no-owner", "--no-privileges"] if file.suffix == ".sql" else ["--format=custom"]
    where = [f"--port={known['database_port']}", f"--username={known['database_owner']}", known["database_name"]]
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as stream:
        status = place.write(["sudo", "-u", "postgres", "pg_dump", *kind, *where], stream)
    if status:
        file.unlink()
        sys.exit(status)


def place_of(file: Path) -> Path:
    """Return a file where the person is who typed it: the command itself works in the project's folder."""
    return Path(os.environ.get("SAMESTACK_CALLED_FROM") or Path.cwd()) / file.expanduser()


@played(
    "pull",
    group=GROUP,
    example=["samestack pull production", "samestack pull staging --into production"],
    page="copies",
    default="production",
    waits=True,
)
@click.option(
    "--into", type=Environment(), default="dev", help="dev, or the local stand-in of staging or production (dev)."
)
@confirm_option
@no_restore_point_option
def pull(on: Run, into: str, confirm: bool, no_restore_point: bool) -> None:
    """Replace the data of a local machine with a sanitised copy of an environment's."""
    if on.environment == "dev":
        raise click.UsageError("dev is where the data goes. Name the environment that it comes from: production")
    target = replace(on, environment=into, rehearsal=into != "dev", limit="")
    if target == on:
        raise click.UsageError(f"{on.environment} is where the data comes from. Name another one: --into dev")
    hand_over(on, target, confirm=confirm, name="pull", no_point=no_restore_point)


def hand_over(source: Run, target: Run, *, confirm: bool, name: str, no_point: bool) -> None:
    """Have a sanitised copy made, and let it take the place of what the target has."""
    if "--check" not in target.options:
        ask(target, f"with a sanitised copy of {source.environment}", confirm=confirm)
    point = "never" if no_point else ""
    with own_copy(source.environment) as file:
        source.play("copy", copy_file=str(file), copy_partner=target.environment)
        target.play(
            "load", copy_file=str(file), copy_partner=source.environment, copy_verb=name, release_restore_points=point
        )


@contextlib.contextmanager
def own_copy(name: str) -> Iterator[Path]:
    """Give the path of a file that is gone when the block ends, with what runs that were cut off have left."""
    folder = STATE / "copies"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    remove_left(folder)
    file = folder / f"{name}-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.pgdump"
    try:
        yield file
    finally:
        for one in folder.glob(f"{file.name}*"):
            one.unlink()
        # A playbook outlives the command that started it, where that is killed.
        remove_left(folder)


def remove_left(folder: Path) -> None:
    """Remove the copies of commands that do not run any more."""
    for old in folder.iterdir():
        if not is_running(old.name.partition(".")[0].rpartition("-")[2]):
            old.unlink()


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


VERBS = (pull, dump, load, sanitise)
