"""Whether all is well."""

from __future__ import annotations

import sys

import click

from .command import Environment, check_rehearsal, complete_host, rehearsal_option, stop, verb

GROUP = "Environments, side by side"


@verb(
    "status",
    group=GROUP,
    example=["samestack status", "samestack status production", "samestack status staging --rehearsal --json"],
    page="status",
)
@click.argument("environment", type=Environment(), default=None, required=False)
@rehearsal_option
@click.option("--host", metavar="HOST", default="", shell_complete=complete_host, help="Only this machine.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def status(environment: str | None, *, rehearsal: bool, host: str, as_json: bool) -> None:
    """Show whether all is well, here and as a page; leaves with 1 if it is degraded, 2 if down or nobody can say."""
    if environment:
        check_rehearsal(environment, rehearsal=rehearsal)
    from box.common import SetupError

    from . import asking

    try:
        state = asking.show(environment or "", rehearsal=rehearsal, host=host, as_json=as_json)
    except SetupError as problem:
        stop(str(problem))
    sys.exit(state)


VERBS = (status,)
