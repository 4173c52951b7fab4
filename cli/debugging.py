"""A debugger on the local machine."""

from __future__ import annotations

import os

import click

from .command import stop, verb
from .inside import GROUP, Place

PROGRAM = "/usr/local/lib/samestack/python/samestack_debug.py"
PORT = 5678


@verb("attach", group=GROUP, example="samestack attach", page="debugging")
@click.option("--port", metavar="PORT", type=click.IntRange(1, 65535), default=PORT, help=f"Of this computer ({PORT}).")
def attach(port: int) -> None:
    """Debug live code: stand at the next breakpoint(), or (app_debugger) lead an editor there."""
    place = Place("dev")
    known = place.variables
    if not known.get("app_live_path"):
        stop(
            "app_live_path is empty (in inventories/group_vars/dev/differences.yml): the debugger is for live code. "
            "Write app_live_path: /srv/live there, then run `./samestack provision` and `./samestack deploy`."
        )
    app = str(known["app_name"])
    if known.get("app_debugger"):
        click.echo(f"Editors attach to localhost:{port} (docs/debugging.md has recipes). Ctrl-C ends this.", err=True)
        # A connection of its own: what others share would keep the port.
        options = ("ControlPath=none", "ExitOnForwardFailure=yes", f"LocalForward=127.0.0.1:{port} 127.0.0.1:{PORT}")
        command = place.target().argv("", "", *options)
        os.execvp(command[0], [command[0], "-N", *command[1:]])
    place.become(["sudo", "-u", app, "python3", "-I", PROGRAM, f"/run/{app}/web/breakpoints"])


VERBS = (attach,)
