"""The state that an environment is put into: frozen, or closed to visitors."""

from __future__ import annotations

import click

from .playbook import Run, played

GROUP = "Freeze and maintenance"


@played("freeze", group=GROUP, example='samestack freeze production -m "sale until Monday"', page="lock-and-freeze")
@click.option("-m", "--message", default="", help="Why; shown to anyone who is refused.")
def freeze(on: Run, message: str) -> None:
    """Refuse changes to an environment until unfreeze."""
    on.play("freeze", freeze_message=message)


@played("unfreeze", group=GROUP, example="samestack unfreeze production", page="lock-and-freeze")
def unfreeze(on: Run) -> None:
    """Allow changes to an environment again."""
    on.play("unfreeze")


@played(
    "maintenance",
    group=GROUP,
    example=['samestack maintenance production --on -m "back at nine"', "samestack maintenance production --off"],
    page="maintenance",
)
@click.option("--on/--off", "closed", default=None, help="Show the page, or the site again.")
@click.option("-m", "--message", default="", help="What the page says.")
def maintenance(on: Run, closed: bool | None, message: str) -> None:
    """Show visitors a maintenance page, or the site again."""
    if closed is None:
        raise click.UsageError("say which: --on shows the page, --off the site again.")
    if message and not closed:
        raise click.UsageError("--message: there is no page for it with --off.")
    on.play("maintenance", maintenance_on=closed, maintenance_message=message)


VERBS = (freeze, unfreeze, maintenance)
