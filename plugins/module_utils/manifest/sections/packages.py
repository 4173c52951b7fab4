"""Section `packages`: every installed package with its version and the archive that it is from."""

from __future__ import annotations

import os
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from ..reading.machine import MissingError
from ..section import Collector

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..reading.machine import Host, Section

QUERY = "${Package}\\t${Architecture}\\t${Version}\\t${db:Status-Abbrev}\\n"
STATUS, LISTS = "/var/lib/dpkg/status", "/var/lib/apt/lists"
UNKNOWN = "from no archive that is known"
# What security and point releases bring moves from one pocket to the next: it is the same archive.
POCKET = re.compile(r"-(security|updates|proposed)$")


def installed(text: str, native: str) -> dict[str, tuple[str, str]]:
    """Return {name: (version, state)} of dpkg's list; a foreign package's name carries its architecture."""
    found = {}
    for line in text.splitlines():
        name, architecture, version, state = line.split("\t")
        # `n` and `c`: not there (any more), but for its settings.
        if state[1:2] not in ("n", "c"):
            full = name if architecture in (native, "all") else f"{name}:{architecture}"
            found[full] = (version, state.strip())
    return found


def archives(policy: str) -> dict[str, str]:
    """Return the name of each archive by the words by which apt's tables of versions name it."""
    found = {}
    lines = policy.splitlines()
    for line, following in pairwise(lines):
        source = re.match(r"\s*-?\d+ (\S+ \S+ .*Packages)$", line)
        if source and following.strip().startswith("release "):
            words = following.strip()[len("release ") :].split(",")
            facts = dict(word.split("=", 1) for word in words if "=" in word)
            suite = POCKET.sub("", facts.get("n") or facts.get("a") or "")
            found[source[1]] = " ".join(part for part in (facts.get("o"), suite, facts.get("c")) if part)
    return found


def origins(policy: str, known: Mapping[str, str]) -> dict[str, str]:
    """Return {name: archive} of the installed versions in apt's tables; `known` is what `archives` returns."""
    found: dict[str, set[str]] = {}
    name, mine = "", False
    for line in policy.splitlines():
        if line and not line.startswith(" "):
            name, mine = line.rstrip(":"), False
        elif line.startswith(" *** "):
            mine = True
        elif re.match(r" {5}\S", line):
            mine = False
        elif mine:
            source = re.match(r"\s+-?\d+ (.*)$", line)
            if source and source[1] in known:
                found.setdefault(name, set()).add(known[source[1]])
    return {name: min(archives) for name, archives in found.items()}


def changes_with(host: Host) -> str:
    """Return what changes whenever a package or what apt knows changes."""
    times = []
    for path in (STATUS, LISTS, LISTS + "/partial", "/etc/apt/sources.list", "/etc/apt/sources.list.d"):
        try:
            times.append(str(os.stat(host.path(path)).st_mtime_ns))
        except OSError:
            times.append("-")
    return " ".join(times)


def find(host: Host) -> dict[str, str]:
    """Ask dpkg and apt."""
    native = host.run("dpkg", "--print-architecture").strip()
    found = installed(host.run("dpkg-query", "-W", "-f", QUERY), native)
    try:
        sources = archives(host.run("apt-cache", "policy"))
        places = origins(host.run("apt-cache", "policy", *found), sources)
    except MissingError as missing:
        host.miss("packages/origin", str(missing))
        places = {}
    # A version that its archive has replaced since is still from there.
    before = host.cache.remembered("packages") or {}
    section = {}
    for name, (version, state) in found.items():
        place = places.get(name) or place_of(before.get(name, ""), version) or UNKNOWN
        section[name] = f"{version} [{place}]" + ("" if state == "ii" else f" ({state})")
    return section


def place_of(value: str, version: str) -> str:
    """Return the archive that an earlier recording names for the same version."""
    found = re.match(rf"{re.escape(version)} \[(.*?)\]", value)
    return found[1] if found and found[1] != UNKNOWN else ""


def collect(host: Host) -> Section:
    """Return the section."""
    return dict(host.cache.finding("packages", changes_with(host), lambda: find(host)))


SECTIONS = (Collector("packages", lambda host, _live: collect(host), slow=True),)
