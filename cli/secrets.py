"""The secrets of an environment."""

from __future__ import annotations

import json
from dataclasses import replace

import click

from .command import stop, unknown
from .playbook import Run, played

GROUP = "Secrets"
#: No secret goes through these roles.
OTHERS = "host,nginx"


@played(
    "secrets",
    group=GROUP,
    example=["samestack secrets staging", "samestack secrets staging --edit"],
    page="secrets",
)
@click.option("--edit", is_flag=True, help="Open them in your editor.")
def secrets(on: Run, edit: bool) -> None:
    """Create the encrypted secrets of an environment, and show how old they are."""
    if edit:
        from .secret_editor import edit_secrets

        edit_secrets(on)
    on.play("secrets")


@played(
    "rotate",
    group=GROUP,
    example=["samestack rotate staging database", "samestack rotate production all"],
    page="secrets",
    waits=True,
)
@click.argument("what")
@click.option("--finish", is_flag=True, help="Refuse the previous secret key now; people log in anew.")
def rotate(on: Run, what: str, finish: bool) -> None:
    """Give secrets new values while everything serves: app_key, ca, database or another service's, or all."""
    from plugins.plugin_utils.secrets.rotation import kinds

    known = list(kinds())
    if what not in (*known, "all"):
        raise click.UsageError(unknown("secret", what, known, f"Write one of: {', '.join(known)}, all"))
    if on.limit:
        raise click.UsageError("--limit: a machine that is left out would be cut off. Rotate without it.")
    remaining, applied = known if what == "all" else [what], False
    while remaining:
        found = replace(on, options=quiet(on.options)).lines(
            "rotate", "{", rotate_kinds=remaining, rotate_applied=applied, rotate_finish=finish
        )
        if not found:
            stop("rotate: the step did not say what it was. Run this again with `-- -v`.")
        step = json.loads(found[0])
        for line in step["say"]:
            click.echo(f"{line}.")
        remaining = step["remaining"]
        if "--check" in on.options or not step["apply"]:
            return
        on.play("site", "--skip-tags", OTHERS)
        applied = True


def quiet(options: tuple[str, ...]) -> tuple[str, ...]:
    """Return options without those that change what a run prints."""
    return tuple(option for option in options if option != "--diff" and not option.startswith("-v"))


VERBS = (secrets, rotate)
