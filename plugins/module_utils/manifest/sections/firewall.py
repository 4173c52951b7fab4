"""Section `firewall`: the rules in force, chain by chain, in their order."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..reading.machine import MissingError
from ..section import Collector

if TYPE_CHECKING:
    from ..reading.machine import Host, Section

#: What a program puts into a set by itself (blocked addresses) comes and goes.
DYNAMIC = re.compile(r"\b(timeout|dynamic)\b")


def chains(text: str) -> dict[str, list[str]]:
    """Return {table, and chain or set: lines} of `nft list ruleset`, which writes one statement a line."""
    found: dict[str, list[str]] = {}
    table, name = "", ""
    for line in map(str.strip, re.sub(r",\s*\n\s*", ", ", text).splitlines()):
        if line.startswith("table "):
            table = line[len("table ") :].removesuffix("{").strip()
            found.setdefault(table, [])
        elif line.endswith("{") and not name:
            name = f"{table} {line.removesuffix('{').strip()}"
            found[name] = []
        elif line == "}":
            table, name = ("", "") if not name else (table, "")
        elif line and name:
            found[name].append(line)
        elif line and table:
            found[table].append(line)
    for name, lines in found.items():
        if any(re.match(r"flags ", line) and DYNAMIC.search(line) for line in lines):
            found[name] = [line for line in lines if not line.startswith("elements")]
    # A table says nothing of its own, unless nothing is in it.
    return {
        name: lines for name, lines in found.items() if lines or not any(one.startswith(name + " ") for one in found)
    }


def collect(host: Host) -> Section:
    """Return the section; raises MissingError."""
    section: Section = dict(chains(host.run("nft", "--stateless", "list", "ruleset")))
    for family, tool in (("ip", "iptables-legacy-save"), ("ip6", "ip6tables-legacy-save")):
        if host.text(f"/proc/net/{family}_tables_names").strip():
            try:
                lines = host.run(tool).splitlines()
                section[f"legacy {family}"] = [line for line in lines if line[:1] in ("*", "-")]
            except MissingError as missing:
                host.miss(f"firewall/legacy {family}", str(missing))
    return section


SECTIONS = (Collector("firewall", lambda host, _live: collect(host)),)
