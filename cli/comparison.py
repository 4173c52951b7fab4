"""The comparison of environments: each is asked by a run of Ansible of its own, side by side (playbooks/parity.yml).

One whose machine is not there is a line and no end; then the saved manifests are compared, without Ansible and without
a host.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from box.resolve import Inventory
from plugins.plugin_utils.inventory.environment import ENVIRONMENTS
from plugins.plugin_utils.inventory.files import label
from plugins.plugin_utils.inventory.laws import PLACEHOLDER
from plugins.plugin_utils.parity.report import Report
from plugins.plugin_utils.parity.store import Store
from plugins.plugin_utils.parity.text import Look
from plugins.plugin_utils.parity.timeline import since
from plugins.plugin_utils.text import json_line, one_line

from .playbook import Run, environment
from .project import PROJECT, STATE, inventory_of

if TYPE_CHECKING:
    from collections.abc import Sequence

STORE, PAGE = STATE / "manifests", STATE / "parity.html"
#: Two environments are needed for a comparison.
FEWEST = 2
LONGEST_REASON = 400
#: What our output says of a failure: the head, and the first paragraph after it
FAILURE = re.compile(r"^(?:Failed on|Cannot reach) (?P<head>[^\n]*)\n(?P<why>(?:[^\n]+\n)+)", re.MULTILINE)


class ComparisonError(Exception):
    """There is nothing to compare; the text is the whole message."""


@dataclass(frozen=True)
class Question:
    """What is asked for."""

    #: None: all three
    environments: tuple[str, ...]
    #: The local stand-ins of staging and production
    rehearsal: bool
    #: Ask nobody, compare what is saved
    offline: bool
    #: What changed since then, in place of the comparison; "" for the comparison
    since: str
    #: List what is declared and expected, too
    everything: bool
    as_json: bool


def run_for(name: str, *, rehearse: bool) -> Run:
    """Return where an environment is asked: its stand-in, where its inventory has no server yet."""
    if name == "dev" or rehearse:
        return Run(name, name != "dev")
    inventory = Inventory(inventory_of(name))
    hosts = inventory.hosts(name)
    addresses = [str(inventory.variables(host).get("ansible_host", host)) for host in hosts]
    return Run(name, not hosts or any(PLACEHOLDER.search(address) for address in addresses))


def ask(where: Run) -> str:
    """Record an environment anew; returns why it could not be, in one line, "" where it could."""
    # Lines that are read here, whatever somebody has set for his own terminal.
    own = environment() | {"NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    own["ANSIBLE_STDOUT_CALLBACK"] = "samestack.core.samestack"
    done = subprocess.run(
        where.arguments("parity"),
        cwd=PROJECT,
        env=own,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    log = STATE / "parity" / f"{where.environment}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode == 0:
        return ""
    found = FAILURE.search(done.stdout + done.stderr)
    why = one_line(found["why"]) if found else f"see {log.relative_to(PROJECT)}"
    return (
        why if len(why) <= LONGEST_REASON else f"{why[: LONGEST_REASON - 1]}… (all of it: {log.relative_to(PROJECT)})"
    )


def gather(places: Sequence[Run], *, offline: bool) -> Report:
    """Return the report on the environments of which there is a manifest, fresh or saved."""
    troubles = [""] * len(places)
    if not offline:
        click.echo(f"Asking {', '.join(where.environment for where in places)} …", err=True)
        with ThreadPoolExecutor(max_workers=len(places)) as pool:
            troubles = list(pool.map(ask, places))
    report = Report(Store(STORE))
    for where, trouble in zip(places, troubles, strict=True):
        report.add(where.environment, rehearsal=where.rehearsal, trouble=trouble)
    return report


def answer(asked: Question) -> bool:
    """Print the report; returns whether the environments match. Raises `ComparisonError`."""
    wanted = [name for name in ENVIRONMENTS if not asked.environments or name in asked.environments]
    now = time.time()
    try:
        moment = since(asked.since, now) if asked.since else None
    except ValueError as error:
        raise ComparisonError(str(error)) from None
    report = gather([run_for(name, rehearse=asked.rehearsal) for name in wanted], offline=asked.offline)
    for line in report.notes(now):
        click.echo(line, err=True)
    if moment is not None:
        print("\n".join(report.since(moment)))
        return True
    if len(report.found) < FEWEST:
        raise ComparisonError(
            "There are not two environments to compare. `./samestack up` and `./samestack rehearse` make them."
        )
    if asked.as_json:
        print(json_line(report.data(), indent=2))
    else:
        terminal = sys.stdout.isatty()
        unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        width = shutil.get_terminal_size((100, 24)).columns
        look = Look(width, unicode=unicode, colour=terminal and "NO_COLOR" not in os.environ)
        print("\n".join(report.lines(look, now, everything=asked.everything)))
    report.write_page(PAGE, now)
    click.echo(f"The same to look at: {label(PAGE, PROJECT)}", err=True)
    return not report.comparison.bad
