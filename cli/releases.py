"""Which code runs: deploy, promote, go back."""

from __future__ import annotations

from typing import Any

import click

from .command import Release
from .playbook import Run, played

GROUP = "Releases"

ref_option = click.option("--ref", metavar="REF", default="", help="A branch, tag or commit, instead of app.yml's.")


def migration_options(function: Any) -> Any:
    """Give a verb the options of a run that may migrate the database."""
    for decorator in (
        click.option("--no-restore-point", is_flag=True, help="Migrate without copying the database first."),
        click.option("--lock-timeout", metavar="TIME", default="", help="Wait longer for a table in use, such as 30s."),
        click.option(
            "--allow-breaking", is_flag=True, help="Close the site for migrations that break the running code."
        ),
    ):
        function = decorator(function)
    return function


def migration_variables(options: dict[str, Any]) -> dict[str, Any]:
    """Return the variables for what was chosen of those options."""
    return {
        "allow_breaking_migrations": True if options["allow_breaking"] else None,
        "release_lock_timeout": options["lock_timeout"],
        "release_restore_points": "never" if options["no_restore_point"] else "",
    }


def checked_reason(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str:
    """Return why tests are skipped; a reason says something."""
    if value is not None and not value.strip():
        raise click.BadParameter('say why, for the ledger: --skip-tests "the mail server of the tests is down"')
    return (value or "").strip()


tests_option = click.option(
    "--skip-tests", metavar="REASON", default=None, callback=checked_reason,
    help="Do not require app_test_commands to pass, and say why; kept in the ledger.",
)  # fmt: skip


def acceptance_options(function: Any) -> Any:
    """Give a verb the options that accept differences between staging and production."""
    reason = click.option("--reason", metavar="TEXT", default="", help="Why they are accepted; kept in the ledger.")
    accept = click.option(
        "--accept", metavar="SECTION/KEY", multiple=True, help="A difference to accept (may be repeated)."
    )
    section = click.option(
        "--accept-section", metavar="SECTION", multiple=True, help="All differences of a section (may be repeated)."
    )
    return accept(section(reason(function)))


def acceptance_variables(options: dict[str, Any]) -> dict[str, Any]:
    """Return the variables for accepted differences."""
    names = [*options["accept"], *(f"{section}/*" for section in options["accept_section"])]
    return {"parity_accept": ",".join(names), "parity_reason": options["reason"]}


@played(
    "deploy",
    group=GROUP,
    example=["samestack deploy", "samestack deploy staging --ref v1.2", "samestack deploy staging --allow-breaking"],
    page="deploy",
    waits=True,
)
@ref_option
@tests_option
@migration_options
def deploy(on: Run, ref: str, skip_tests: str, **options: Any) -> None:
    """Deploy the application."""
    on.play("deploy", release_ref=ref, skip_tests=skip_tests, **migration_variables(options))


@played(
    "promote",
    group=GROUP,
    example=["samestack promote", 'samestack promote --accept packages/cowsay --reason "removed on Monday"'],
    page="promote",
    default="production",
    chosen=False,
    waits=True,
)
@tests_option
@acceptance_options
@migration_options
def promote(on: Run, skip_tests: str, **options: Any) -> None:
    """Deploy to production what staging serves, byte for byte."""
    variables = {**acceptance_variables(options), **migration_variables(options)}
    on.play("promote", both=True, skip_tests=skip_tests, **variables)


@played(
    "plan",
    group=GROUP,
    example=["samestack plan production", "samestack plan staging --ref v1.2"],
    page="plan",
    waits=True,
)
@ref_option
@acceptance_options
@migration_options
def plan(on: Run, ref: str, **options: Any) -> None:
    """Show what provision, and deploy or promote, would do; change nothing."""
    variables = migration_variables(options)
    on.play("site", "--check", "--diff")
    if on.environment == "production" and not ref:
        on.play("promote", "--check", "--diff", both=True, **acceptance_variables(options), **variables)
    else:
        on.play("deploy", "--check", "--diff", release_ref=ref, **variables)


@played(
    "rollback",
    group=GROUP,
    example=["samestack rollback production", "samestack rollback production --to 8d62fa25256d --database keep"],
    page="rollback",
    waits=True,
)
@click.option("--to", type=Release(), metavar="RELEASE", default=None, help="A release other than the last good one.")
@click.option(
    "--database",
    type=click.Choice(["reverse", "keep", "restore"]),
    default=None,
    help="Reverse the migrations (default), keep the newer database, or restore the copy from before.",
)
@click.option(
    "--confirm",
    multiple=True,
    metavar="[TABLE]",
    is_flag=False,
    flag_value="",
    help="Accept what is lost: a table with its rows, by its name; with --database restore, all written since.",
)
@click.option("--no-restore-point", is_flag=True, help="Do not copy the database before tables with rows are dropped.")
def rollback(on: Run, to: str | None, database: str | None, confirm: tuple[str, ...], no_restore_point: bool) -> None:
    """Go back to the previous release, database included."""
    tables = [table for table in confirm if table]
    if tables and database not in (None, "reverse"):
        raise click.UsageError(f"--confirm {tables[0]}: only migrations that are reversed drop a table.")
    if len(tables) < len(confirm) and database != "restore":
        raise click.UsageError("--confirm goes with --database restore, or with the name of a table (--confirm TABLE).")
    on.play(
        "rollback",
        rollback_to=to,
        rollback_database=database,
        rollback_confirm=True if confirm and not tables else None,
        rollback_confirm_tables=tables,
        release_restore_points="never" if no_restore_point else None,
    )


@played("repair", group=GROUP, example="samestack repair staging", page="repair", waits=True)
def repair(on: Run) -> None:
    """Restore files of the live release that were changed by hand."""
    on.play("repair")


@played("accept", group=GROUP, example='samestack accept staging -m "seen by the editors"', page="releases")
@click.option("-m", "--message", default="", help="A note for the ledger.")
def accept(on: Run, message: str) -> None:
    """Record that you have reviewed the live release; promote requires it."""
    on.play("accept", accept_message=message)


@played(
    "releases",
    group=GROUP,
    example=["samestack releases production", "samestack releases production --json"],
    page="releases",
)
@click.option("--lines", type=click.IntRange(min=1), default=None, help="How many changes to show (20).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, oldest first.")
def releases(on: Run, lines: int | None, as_json: bool) -> None:
    """Show the live release, and every change that led to it."""
    if not as_json:
        on.play("releases", releases_limit=lines)
        return
    for line in on.lines("releases", "{", releases_limit=lines, releases_format="json"):
        click.echo(line)


VERBS = (deploy, promote, plan, rollback, repair, accept, releases)
