"""Mail that was caught instead of being sent."""

from __future__ import annotations

import click

from .command import verb
from .inside import GROUP, Place, machine_options

PROGRAM = "/usr/local/lib/samestack/python/samestack_mail.py"
COLUMNS = (4, 32, 32)


@verb("mail", group=GROUP, example=["samestack mail", "samestack mail --show 1"], page="development")
@machine_options
@click.option("--show", metavar="NUMBER", type=click.IntRange(1), help="One message; 1 is the newest.")
@click.option("--newest", metavar="COUNT", type=click.IntRange(1), default=20, help="How many to list (20).")
@click.option("--clear", is_flag=True, help="Delete all of it.")
def mail(environment: str, rehearsal: bool, host: str, show: int | None, newest: int, clear: bool) -> None:
    """Read the mail that was caught: the newest messages, or one of them."""
    from plugins.plugin_utils.text import one_line, said

    place = Place(environment, rehearsal=rehearsal, host=host)
    app = str(place.variables["app_name"])
    folder = f"/srv/{app}/shared/mail"
    # Whoever logs in has a home that the application may not look into.
    user = ["env", "-C", "/", "sudo", "-u", app]
    if clear:
        place.become([*user, "find", folder, "-type", "f", "-name", "*.log", "-delete"])
    words = ["show", str(show)] if show else ["list", str(newest)]
    # What is in mail is anybody's words, and what the machine says of it, too.
    text = place.must_say([*user, "python3", "-I", PROGRAM, folder, *words])
    if show:
        click.echo(said(text))
        return
    rows = [[one_line(cell) for cell in line.split("\t")] for line in text.splitlines()]
    for row in rows:
        cells = [cell[:width].ljust(width) for cell, width in zip(row, COLUMNS, strict=False)]
        click.echo("  ".join([*cells, *row[len(COLUMNS) :]]).rstrip())
    if not rows:
        click.echo("No mail was caught yet.")
    if domain := place.variables.get("app_mail_domain"):
        click.echo(f"\nIn a browser: https://{domain}")


VERBS = (mail,)
