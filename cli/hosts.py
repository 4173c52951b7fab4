"""The machines of an environment: what they are built with."""

from __future__ import annotations

import click

from .machines import rename
from .playbook import Run, played

GROUP = "The machines of an environment"


@played(
    "provision",
    group=GROUP,
    example=["samestack provision staging", "samestack provision production --rehearsal --check --diff"],
    page="provision",
    waits=True,
)
@click.option(
    "--host-key",
    metavar="SHA256:…",
    default="",
    help="The fingerprint of the server's host key, for runs without a terminal.",
)
@click.option(
    "--login-as",
    metavar="USER",
    multiple=True,
    help="User for the first login, instead of root, ubuntu, debian and admin (may be repeated).",
)
@click.option("--public-key", metavar="FILE", default="", help="Your public key, if it is not one of ssh's defaults.")
@click.option("--take-over", is_flag=True, help="Make another environment's or project's machine this one's.")
@click.option(
    "--forget", metavar="APP", multiple=True, help="Delete the data of an application that the machine had before."
)
@click.option("--anyway", is_flag=True, help="Pass over what others have left in the way on the machine.")
def provision(
    on: Run, host_key: str, login_as: tuple[str, ...], public_key: str, forget: tuple[str, ...], **flags: bool
) -> None:
    """Build the machines, or bring them up to date."""
    if "--check" not in on.options:
        rename(on)
    on.play(
        "site",
        preflight_host_key_fingerprint=host_key,
        preflight_bootstrap_users=list(login_as),
        preflight_public_key=public_key,
        forget_applications=list(forget),
        **{f"preflight_{name}": True for name, given in flags.items() if given},
    )


@played("undo-provision", group=GROUP, example="samestack undo-provision staging", page="undo-provision", waits=True)
def undo_provision(on: Run) -> None:
    """Restore the files that the last provision replaced."""
    on.play("undo-provision")


@played("upgrade", group=GROUP, example="samestack upgrade staging", page="stack-lock", waits=True)
def upgrade(on: Run) -> None:
    """Install the newest OS packages, one machine after the other."""
    on.play("upgrade")


@played("lock-stack", group=GROUP, example="samestack lock-stack staging", page="stack-lock")
def lock_stack(on: Run) -> None:
    """Pin every environment to the package versions of these machines."""
    on.play("lock-stack")


VERBS = (provision, undo_provision, upgrade, lock_stack)
