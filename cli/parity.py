"""What machines really run: compared, recorded, and what changed on them."""

from __future__ import annotations

import click

from .command import Environment, Exit, rehearsal_option, stop, verb
from .playbook import Run, played

GROUP = "Environments, side by side"


@verb(
    "parity",
    group=GROUP,
    example=["samestack parity", "samestack parity staging production --offline", "samestack parity --since tuesday"],
    page="parity",
)
@click.argument("environments", type=Environment(), nargs=-1)
@rehearsal_option
@click.option("--offline", is_flag=True, help="Ask no machine: compare the manifests saved on this computer.")
@click.option("--since", metavar="WHEN", default="", help="Show what changed since then (2026-11-24, 36h, tuesday).")
@click.option("--all", "everything", is_flag=True, help="Also list what is declared and expected.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def parity(
    environments: tuple[str, ...], rehearsal: bool, offline: bool, since: str, everything: bool, as_json: bool
) -> None:
    """Compare what dev, staging and production really run."""
    from plugins.plugin_utils.parity.envelope import EnvelopeError

    from . import comparison

    asked = comparison.Question(environments, rehearsal, offline, since, everything, as_json)
    try:
        matches = comparison.answer(asked)
    except (comparison.ComparisonError, EnvelopeError) as problem:
        stop(str(problem))
    raise SystemExit(Exit.DONE if matches else Exit.FAILED)


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object per machine, for programs.")


@played("manifest", group=GROUP, example="samestack manifest staging", page="manifest")
@json_option
def manifest(on: Run, as_json: bool) -> None:
    """Record what is really on each machine."""
    show(on, "manifest", as_json=as_json)


@played("drift", group=GROUP, example=["samestack drift production", "samestack drift production --json"], page="drift")
@json_option
def drift(on: Run, as_json: bool) -> None:
    """Show what changed outside Samestack, when and by what."""
    show(on, "drift", as_json=as_json)


def show(on: Run, playbook: str, *, as_json: bool) -> None:
    """Run a playbook that shows something of each machine, in words or for programs."""
    if not as_json:
        on.play(playbook)
        return
    for line in on.lines(playbook, "{", manifest_format="json"):
        click.echo(line)


VERBS = (parity, manifest, drift)
