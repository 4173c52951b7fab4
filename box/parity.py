"""What environments really run, compared: `box/parity [ENVIRONMENT…]`, all three where none is named.

Each environment is asked by a run of Ansible of its own (playbooks/parity.yml), side by side, so that one whose machine
is not there is a line and no end; then the saved manifests are compared, without Ansible and without a host.

    OFFLINE=1     ask nobody, compare what is saved
    FORMAT=json   for programs
    SINCE=tuesday what changed on each environment since then, in place of the comparison
    REHEARSAL=1   the local stand-ins of staging and production
    ALL=1         list what is declared and expected, too
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from box.common import REPO, STATE, SetupError, note, stop
from box.resolve import ENVIRONMENTS, Inventory
from plugins.plugin_utils.inventory.files import label
from plugins.plugin_utils.inventory.laws import PLACEHOLDER
from plugins.plugin_utils.parity.envelope import EnvelopeError
from plugins.plugin_utils.parity.report import Report
from plugins.plugin_utils.parity.store import Store
from plugins.plugin_utils.parity.text import Look
from plugins.plugin_utils.parity.timeline import since

if TYPE_CHECKING:
    from collections.abc import Sequence

STORE, PAGE = STATE / "manifests", STATE / "parity.html"
PLAYBOOK = REPO / "playbooks" / "parity.yml"
#: Two environments are needed for a comparison.
FEWEST = 2
LONGEST_REASON = 400
#: What our output says of a failure: the head, and the first paragraph after it
FAILURE = re.compile(r"^(?:Failed on|Cannot reach) (?P<head>[^\n]*)\n(?P<why>(?:[^\n]+\n)+)", re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """Where an environment is asked: an inventory, and whether local machines stand in."""

    environment: str
    rehearsal: bool

    @property
    def arguments(self) -> list[str]:
        """Ansible's arguments that lead there."""
        file = "rehearsal" if self.rehearsal else self.environment
        return ["-i", f"inventories/{file}.yml", *(["--limit", self.environment] if self.rehearsal else [])]


def source_of(environment: str, *, rehearse: bool) -> Source:
    """Return where an environment is asked: its stand-in, where its inventory has no server yet."""
    if environment == "dev" or rehearse:
        return Source(environment, environment != "dev")
    inventory = Inventory(f"inventories/{environment}.yml")
    hosts = inventory.hosts(environment)
    addresses = [str(inventory.variables(host).get("ansible_host", host)) for host in hosts]
    return Source(environment, not hosts or any(PLACEHOLDER.search(address) for address in addresses))


def ask(source: Source) -> str:
    """Record an environment anew; returns why it could not be, in one line, "" where it could."""
    command = [str(REPO / ".venv/bin/ansible-playbook"), *source.arguments, str(PLAYBOOK)]
    own = {name: text for name, text in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    # Lines that are read here, whatever somebody has set for his own terminal.
    own |= {"NO_COLOR": "1", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    own["ANSIBLE_STDOUT_CALLBACK"] = "samestack.core.samestack"
    done = subprocess.run(
        command,
        cwd=REPO,
        env=own,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    log = STATE / "parity" / f"{source.environment}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode == 0:
        return ""
    found = FAILURE.search(done.stdout + done.stderr)
    why = " ".join(found["why"].split()) if found else f"see {log.relative_to(REPO)}"
    return why if len(why) <= LONGEST_REASON else f"{why[: LONGEST_REASON - 1]}… (all of it: {log.relative_to(REPO)})"


def gather(sources: Sequence[Source], *, offline: bool) -> Report:
    """Return the report on the environments of which there is a manifest, fresh or saved."""
    troubles = [""] * len(sources)
    if not offline:
        note(f"Asking {', '.join(source.environment for source in sources)} …")
        with ThreadPoolExecutor(max_workers=len(sources)) as pool:
            troubles = list(pool.map(ask, sources))
    report = Report(Store(STORE))
    for source, trouble in zip(sources, troubles, strict=True):
        report.add(source.environment, rehearsal=source.rehearsal, trouble=trouble)
    return report


def main(names: Sequence[str]) -> int:
    """Report; returns 0 where the environments match. Raises `SetupError`."""
    wanted = [name for name in ENVIRONMENTS if not names or name in names]
    if unknown := [name for name in names if name not in ENVIRONMENTS]:
        known = ", ".join(ENVIRONMENTS)
        raise SetupError(f"{unknown[0]} (on the command line): there is no such environment. Write one of: {known}")
    flags = {name: os.environ.get(name, "") for name in ("OFFLINE", "FORMAT", "SINCE", "REHEARSAL", "ALL")}
    now = time.time()
    try:
        moment = since(flags["SINCE"], now) if flags["SINCE"] else None
    except ValueError as error:
        raise SetupError(str(error)) from None
    sources = [source_of(name, rehearse=bool(flags["REHEARSAL"])) for name in wanted]
    report = gather(sources, offline=bool(flags["OFFLINE"]))
    for line in report.notes(now):
        note(line)
    if moment is not None:
        print("\n".join(report.since(moment)))
        return 0
    if len(report.found) < FEWEST:
        raise SetupError(
            "There are not two environments to compare. `./samestack up` and `./samestack rehearse` make them."
        )
    if flags["FORMAT"] == "json":
        print(json.dumps(report.data(), ensure_ascii=False, indent=2))
    else:
        terminal = sys.stdout.isatty()
        unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        width = shutil.get_terminal_size((100, 24)).columns
        look = Look(width, unicode=unicode, colour=terminal and "NO_COLOR" not in os.environ)
        print("\n".join(report.lines(look, now, everything=bool(flags["ALL"]))))
    report.write_page(PAGE, now)
    note(f"The same to look at: {label(PAGE, REPO)}")
    return 1 if report.comparison.bad else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (SetupError, EnvelopeError) as problem:
        stop(str(problem))
