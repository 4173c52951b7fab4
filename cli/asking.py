"""Asks every host how it is, and every site for its page: all at once, each host over one connection of ssh's.

What a host says is what its own watch finds at this moment (roles/watch), not what this computer believes. Nothing of
Ansible runs but the reading of the inventory, so that it is there in seconds, and needs no secret.
"""

from __future__ import annotations

import json
import os
import shlex
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from box.connections import is_known
from box.resolve import Inventory
from plugins.module_utils.watch.remedies import VERBS, mended
from plugins.module_utils.watch.spans import DAY, span
from plugins.module_utils.watch.visit import Visit, judge, seen, words
from plugins.plugin_utils.connection.target import Target, run
from plugins.plugin_utils.errors import SamestackError
from plugins.plugin_utils.files import write_whole
from plugins.plugin_utils.inventory.environment import ENVIRONMENTS
from plugins.plugin_utils.inventory.files import label
from plugins.plugin_utils.inventory.formats import parse_duration
from plugins.plugin_utils.release.answers import checked
from plugins.plugin_utils.secrets import dates
from plugins.plugin_utils.secrets.keys import secret_file
from plugins.plugin_utils.secrets.overview import ages_section
from plugins.plugin_utils.text import json_line, one_line
from plugins.plugin_utils.watch.answers import STATUS
from plugins.plugin_utils.watch.page import page
from plugins.plugin_utils.watch.screen import CODES, Environment, Host, Screen, as_data, worst

from .comparison import run_for
from .project import PROJECT, STATE, inventory_of, left_out

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SHOWN = STATE / "status.html"
PROGRAM = "/usr/local/lib/samestack/watch"
#: A host of an earlier version has no such program, and says so by this.
NONE_THERE = 127
#: Where it is not there nobody can say how the host is; root may be asked for no password here.
COMMAND = f"if [ -x {PROGRAM} ]; then sudo -n {PROGRAM} show; else exit {NONE_THERE}; fi"
#: Seconds for a connection, for an answer, and for a page
CONNECT, ANSWER, PAGE = 5, 20, 10
#: Bytes that a host may say
LONGEST = 4 << 20
#: Seconds by which clocks may differ
CLOCKS = 5
NOT_MADE = "it was not made yet"
VARIABLES = ("app_domains", "app_health_path", "watch_answer", "machine_trusted_ca_files")


@dataclass(frozen=True)
class Place:
    """One host, and how it is reached."""

    name: str
    #: As a verb takes its environment
    where: str
    target: Target
    #: The site's names, its page; empty where it serves none
    domains: tuple[str, ...] = ()
    page: str = ""
    #: Seconds after which its answer is slow, and the authorities that sign its certificate beside those of everybody
    slow: float = 5
    authorities: tuple[str, ...] = ()
    #: A local machine is found by where ssh goes: nobody has told this computer its name
    local: bool = False
    #: What this computer knows of the environment, said with its first host
    here: tuple[Mapping[str, Any], ...] = ()


def places(environment: str, *, rehearsal: bool, host: str) -> dict[str, list[Place]]:
    """Return the hosts of the environments that are asked for; raises SetupError."""
    found: dict[str, list[Place]] = {}
    for name in [environment] if environment else ENVIRONMENTS:
        if not environment and rehearsal and name == "dev":
            continue
        where = run_for(name, rehearse=rehearsal)
        inventory = Inventory(inventory_of(name, rehearsal=where.rehearsal))
        told = f"{name} --rehearsal" if where.rehearsal else name
        unmade = left_out() if where.rehearsal else []
        hosts = [one for one in inventory.hosts(name) if one not in unmade and (not host or one == host)]
        web = inventory.hosts("web")
        found[told] = [
            place(inventory, one, told, serves=one in web, local=where.rehearsal or name == "dev") for one in hosts
        ]
        if found[told] and not found[told][0].local:
            found[told][0] = replace(found[told][0], here=tuple(secrets_of(inventory, name, hosts[0])))
    return found


def secrets_of(inventory: Inventory, environment: str, host: str) -> Iterator[Mapping[str, Any]]:
    """Yield the section about the age of an environment's secrets, as it is written down beside them, without one."""
    try:
        known = dates.read(secret_file(PROJECT / "inventories", environment, local=False))
    except ValueError:
        # What is wrong with that file, `./samestack secrets` says.
        return
    limits = inventory.variables(host, "security_secret_age", "security_secret_ages")
    usual = parse_duration(limits["security_secret_age"]) // DAY
    ages = {name: parse_duration(text) // DAY for name, text in limits["security_secret_ages"].items()}
    if section := ages_section(environment, known, ages, usual):
        yield section


def place(inventory: Inventory, name: str, where: str, *, serves: bool, local: bool) -> Place:
    """Return one host, and how it is reached; raises SetupError."""
    known = inventory.variables(name, *(VARIABLES if serves else ()))
    domains = tuple(str(one) for one in known.get("app_domains", []) if not str(one).startswith("*."))
    return Place(
        name, where, Target.of(known, name), domains, str(known.get("app_health_path", "/")),
        slow=parse_duration(known.get("watch_answer", "5s")), local=local,
        authorities=tuple(map(str, known.get("machine_trusted_ca_files", []))),
    )  # fmt: skip


def asked(one: Place) -> Host:
    """Return what a host says of itself, or why it says nothing."""
    if not is_made(one):
        return Host(one.name, trouble=NOT_MADE, mend="./samestack rehearse" if "--" in one.where else "./samestack up")
    began = time.time()
    options = ("BatchMode=yes", f"ConnectTimeout={CONNECT}")
    command = one.target.argv("", shlex.join(["sh", "-c", COMMAND]), *options)
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=ANSWER, check=False)
    except subprocess.TimeoutExpired:
        return Host(one.name, trouble=f"it did not answer within {ANSWER} s", mend=told("provision", one))
    if done.returncode == NONE_THERE:
        return Host(one.name, trouble="nobody watches it yet", mend=told("provision", one))
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        why = lines[-1] if lines else f"it left with {done.returncode}"
        return Host(one.name, trouble=f"it cannot be asked: {why}", mend=told("provision", one))
    try:
        answer = checked(STATUS, json.loads(done.stdout[:LONGEST]), one.name)
    except (SamestackError, ValueError) as error:
        return Host(one.name, trouble=one_line(str(error)), mend=told("provision", one))
    return Host(one.name, {**answer, "sections": [*answer["sections"], *clock(one, answer["time"], began), *one.here]})


def is_made(one: Place) -> bool:
    """Return whether there is such a machine: of the local ones, those that were made."""
    return not one.local or is_known(one.name)


def clock(one: Place, theirs: float, began: float) -> list[dict[str, Any]]:
    """Return a section where a host's clock is another than this computer's; the time it was asked is in between."""
    ended = time.time()
    apart = max(began - theirs, theirs - ended, 0)
    if apart <= CLOCKS:
        return []
    text = f"its clock and this computer's are {span(apart)} apart"
    mend = mended("restart", one.where, one.name, {"unit": "systemd-timesyncd.service"})
    finding = {"key": "apart", "level": "yellow", "text": text, "since": 0, "tells": False, "unit": "", "mend": mend}
    return [{"name": "clock", "words": text, "findings": [finding]}]


def told(verb: str, one: Place) -> str:
    """Return a verb as it is typed for a host's environment."""
    return VERBS[verb].replace("<where>", one.where)


def trusting(authorities: Iterable[str]) -> ssl.SSLContext:
    """Return a context that trusts what this computer trusts, the project's own authority, and others."""
    context = ssl.create_default_context()
    for file in (STATE / "ca.crt", *(PROJECT / name for name in authorities)):
        if file.is_file():
            context.load_verify_locations(file)
    return context


def address_of(one: Place) -> str:
    """Return where a visitor finds the site: by its name, or, of a local machine, where ssh goes."""
    if not one.local:
        return one.domains[0]
    answer = run(["ssh", "-G", *one.target.arguments, "--", one.target.address]).stdout
    known = dict(line.split(" ", 1) for line in answer.splitlines() if " " in line)
    return known.get("hostname") or one.target.address


def visited(one: Place) -> Visit | None:
    """Return the visit of a host's site, None where it serves none."""
    if not one.domains:
        return None
    return Visit(one.domains[0], one.page, address_of(one), trusting(one.authorities), PAGE)


def looked_at(one: Place) -> Host:
    """Return a host with what it says of itself, and what a visitor finds."""
    visit = visited(one)
    with ThreadPoolExecutor(2) as pool:
        asking = pool.submit(asked, one)
        answer = visit.ask() if visit else None
        host = asking.result()
    if host.trouble or not visit or not answer:
        return host
    site = host.answer["facts"].get("site") or {}
    facts = seen(visit, answer, serves=bool(site.get("serves")), closed=bool(site.get("closed")))
    limit = {"answer": one.slow}
    found = [
        {
            "key": finding.key, "level": finding.level, "text": finding.text, "since": 0, "tells": False, "unit": "",
            "mend": mended(finding.remedy, one.where, one.name, finding.words),
        }
        for finding in judge(facts, limit)
    ]  # fmt: skip
    section = {"name": "visitor", "words": words(facts), "findings": found}
    sections = [section, *host.answer["sections"]]
    return Host(host.name, {**host.answer, "sections": sections, "facts": {**host.answer["facts"], "visitor": facts}})


def show(environment: str, *, rehearsal: bool, host: str, as_json: bool) -> int:
    """Print how all is; returns the exit code. Raises SetupError."""
    os.chdir(PROJECT)
    wanted = places(environment, rehearsal=rehearsal, host=host)
    every = [one for group in wanted.values() for one in group]
    with ThreadPoolExecutor(max(len(every), 1)) as pool:
        found = dict(zip(map(key, every), pool.map(looked_at, every), strict=True))
    if not environment:
        # Whoever has no development machine now has not asked for it either, nor for stand-ins that were never made.
        unasked = {key(one) for one in every if one.where == "dev" or not is_made(one)}
        found = {of: replace(one, absent=of in unasked and bool(one.trouble)) for of, one in found.items()}
    environments = [Environment(name, [found[key(one)] for one in group]) for name, group in wanted.items()]
    if as_json:
        print(json_line(as_data(environments)))
    else:
        terminal = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print("\n".join(Screen(terminal, whole=len(every) == 1 or bool(environment)).lines(environments)))
        print(f"The same to look at: {label(SHOWN, PROJECT)}", file=sys.stderr)
    write_whole(SHOWN, page(environments, time.time()), 0o600)
    return CODES[worst(environments)]


def key(one: Place) -> tuple[str, str]:
    """Return what tells a host from others."""
    return one.where, one.name
