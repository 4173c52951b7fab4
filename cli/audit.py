"""How hardened an environment is."""

from __future__ import annotations

import json
import sys

import click

from .command import Exit, check_rehearsal, environment_argument, rehearsal_option, stop, verb

GROUP = "Environments, side by side"


@verb(
    "audit",
    group=GROUP,
    example=["samestack audit staging", "samestack audit production --rehearsal --json"],
    page="audit",
)
@environment_argument()
@rehearsal_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def audit(environment: str, *, rehearsal: bool, as_json: bool) -> None:
    """Measure how hardened an environment is, with checkers that others keep."""
    check_rehearsal(environment, rehearsal=rehearsal)
    from plugins.plugin_utils.audit.figures import table
    from plugins.plugin_utils.inventory.files import label

    from . import measuring
    from .project import PROJECT

    try:
        kept, figures, page = measuring.measure(
            environment, rehearsal=rehearsal, tell=lambda text: click.echo(text, err=True)
        )
    except measuring.AuditError as error:
        stop(str(error), error.status)
    print(json.dumps(kept, ensure_ascii=False, indent=2) if as_json else "\n".join(table(figures)))
    click.echo(f"The same as a page: {label(page, PROJECT)}", err=True)
    if any(one.met is not True for one in figures):
        sys.exit(Exit.FAILED)


VERBS = (audit,)
