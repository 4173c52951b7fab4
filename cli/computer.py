"""This computer: what it trusts, what is wrong with it, and its browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import click

from .command import Exit, stop, verb
from .inside import Place, machine_options

GROUP = "This computer"


@verb(
    "open",
    group=GROUP,
    example=["samestack open", "samestack open staging", "samestack open --mail"],
    page="development",
)
@machine_options
@click.option("--mail", is_flag=True, help="The page of caught mail.")
def open_site(environment: str, rehearsal: bool, host: str, mail: bool) -> None:
    """Open the site in a browser; without one, print its address."""
    place = Place(environment, rehearsal=rehearsal, host=host)
    domain = place.variables.get("app_mail_domain") if mail else next(iter(place.variables["app_domains"]), "")
    if not domain:
        stop(
            f"--mail: mail is shown in a browser where app_live_path and app_catch_mail are set, and web_tls is "
            f"local_ca; in {environment} they are not. `samestack mail` lists it."
            if mail
            else f"app_domains = [] (of {environment}): the site has no name."
        )
    address = f"https://{domain}"
    click.echo(address)
    program = browser()
    if program and subprocess.run([program, address], stdin=subprocess.DEVNULL, check=False).returncode:
        stop(f"{program} could not open it.")


def browser() -> str:
    """Return what opens an address, "" where nobody would see it."""
    if sys.platform == "darwin":
        return "open"
    # Inside Windows (WSL), its own browser
    programs = ["wslview", *(["xdg-open"] if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") else [])]
    return next(filter(shutil.which, programs), "")


@verb("trust", group=GROUP, example="samestack trust", page="local-machines")
def trust() -> None:
    """Have this computer and its browsers trust the certificates of local machines."""
    from box import trust as stores
    from box.common import SetupError

    try:
        click.echo("\n".join(stores.trust()))
    except SetupError as problem:
        stop(str(problem))
    if not stores.can_write_browsers():
        stop(f"{stores.CERTUTIL_MISSING}. Run `{stores.install_certutil()}`, then this again.")
    click.echo("A browser that is open learns it when it is started again.")


@verb("untrust", group=GROUP, example="samestack untrust", page="local-machines")
def untrust() -> None:
    """Undo trust."""
    from box import trust as stores
    from box.common import SetupError

    try:
        click.echo("\n".join(stores.untrust()))
    except SetupError as problem:
        stop(str(problem))
    if not stores.can_write_browsers():
        stop(f"{stores.CERTUTIL_MISSING}. Run `{stores.install_certutil()}`, then this again.")


@verb("doctor", group=GROUP, example="samestack doctor", page="when-it-goes-wrong")
def doctor() -> None:
    """Say what is wrong with this computer and its local machines, and what mends it."""
    from box.common import SetupError
    from box.doctor import findings

    count = 0
    try:
        for finding in findings():
            count += 1
            click.echo(f"{finding.what}.")
            if finding.mend:
                click.echo(f"    {finding.mend}")
    except SetupError as problem:
        stop(str(problem))
    if count:
        sys.exit(Exit.FAILED)
    click.echo("Nothing is wrong with this computer.")


VERBS = (open_site, trust, untrust, doctor)
