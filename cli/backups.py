"""Data that survives: backups, what can be restored, and back to a moment."""

from __future__ import annotations

import json
import sys

import click

from . import copies
from .command import Environment, Exit, stop
from .machines import boot
from .playbook import Run, played
from .project import STATE

GROUP = "Backups"


@played(
    "backup",
    group=GROUP,
    example=["samestack backup production", "samestack backup production --kind full"],
    page="backups",
    waits=True,
)
@click.option(
    "--kind",
    type=click.Choice(["full", "diff", "incr"]),
    default=None,
    help="All of the database, what changed since the last full backup, or since the last backup (default).",
)
def backup(on: Run, kind: str | None) -> None:
    """Back up database and uploads now."""
    on.play("backup", kind_of_backup=kind)


@played(
    "backups",
    group=GROUP,
    example=["samestack backups production", "samestack backups production --json"],
    page="backups",
)
@click.option("--read", is_flag=True, help="Read every byte of the repositories first.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def backups(on: Run, read: bool, as_json: bool) -> None:
    """Show until when everything can be restored; leaves with 1 if something is wrong."""
    if not as_json:
        on.play("backups", backups_read=True if read else None)
        return
    lines = on.lines("backups", "{", backups_format="json", backups_read=True if read else None)
    for line in lines:
        click.echo(line)
    if any(json.loads(line).get("problems") for line in lines):
        sys.exit(Exit.FAILED)


@played(
    "restore",
    group=GROUP,
    example=[
        'samestack restore production --to "2026-11-27 14:05"',
        "samestack restore production --to before:8d62fa25256d --check",
        "samestack restore production --to before:board.0042 --confirm",
        "samestack restore staging --from production",
    ],
    page="restore",
    default="staging",
    waits=True,
)
@click.option(
    "--to",
    "moment",
    metavar="MOMENT",
    default="",
    help="A time (UTC, or with a zone), before:<release>, before:<app>.<migration>, or latest.",
)
@click.option(
    "--from", "source", type=Environment(), default=None, help="The environment of whose data it gets a sanitised copy."
)
@copies.confirm_option
@copies.no_restore_point_option
def restore(on: Run, moment: str, source: str | None, confirm: bool, no_restore_point: bool) -> None:
    """Bring a moment back: database, uploads and code; or replace the data with a sanitised copy of another's."""
    if source and moment:
        raise click.UsageError("--to brings a moment of its own back, --from another environment's data: write one.")
    if source:
        copies.from_another(on, source, confirm=confirm, no_point=no_restore_point)
        return
    if not moment:
        raise click.UsageError(
            'say to which moment (--to latest, --to before:<release>, --to "2026-11-27 14:05"), or --from production.'
        )
    if no_restore_point:
        raise click.UsageError("--no-restore-point goes with --from: a restore to a moment keeps what it replaces.")
    if "--check" in on.options or not confirm:
        on.play("restore-plan", restore_to=moment)
        if "--check" in on.options:
            return
        where = f"{on.environment}{' (its local stand-in)' if on.rehearsal else ''}"
        if not sys.stdin.isatty():
            stop(f"Nothing was done on {where}. To say that this is meant: --confirm")
        if click.prompt(f"Type {on.environment} to go on", default="", show_default=False).strip() != on.environment:
            stop("Nothing was done.")
    on.play("restore", restore_to=moment, restore_confirm=True)


@played(
    "drill",
    group=GROUP,
    example=["samestack drill production", "samestack drill production --repository s3"],
    page="drill",
)
@click.option("--repository", default=None, help="Its type (backup_repositories); by turns where none is named.")
def drill(on: Run, repository: str | None) -> None:
    """Restore the newest backup beside, to its last second, and look at it."""
    on.play("drill", drill_repository=repository)


@played(
    "rebuild",
    group=GROUP,
    example=["samestack rebuild production", "samestack rebuild production --rehearsal"],
    page="rebuild",
    waits=True,
)
def rebuild(on: Run) -> None:
    """Build an empty machine, and bring back everything that the backups have."""
    if on.rehearsal and (STATE / "provider.json").exists():
        boot(on.environment)
    on.play("rebuild")


VERBS = (backup, backups, restore, drill, rebuild)
