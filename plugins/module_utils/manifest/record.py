"""The manifest: what is on this host, section by section; what cannot be had is recorded as missing, with why.

A section is there because its file is in `sections/`; role parity puts those of other roles beside ours.
No library has this: Ansible's facts, osquery and their like list packages, accounts and ports, but no releases, no
schema and no effective settings of servers, and none of them tells secrets apart without showing them.
"""

from __future__ import annotations

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor

# The sections are found by being there: no list of ours has their names.
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from . import sections
from .reading.live import Live
from .reading.machine import MissingError, NotHereError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType

    from .reading.machine import Host, Section
    from .section import Collector, Service

SCHEMA = 1
DIGITS = 12
# What waits for other programs runs side by side.
WORKERS = 4


def files() -> list[ModuleType]:
    """Return the files of sections, by name. One that cannot be imported ends the recording: it may know of secrets."""
    # The folder of the package, wherever it lies
    return [import_module(f"{sections.__name__}.{name}") for _, name, _ in iter_modules(sections.__path__)]


def collectors(found: Iterable[ModuleType]) -> list[Collector]:
    """Return the collectors that files declare."""
    return [one for file in found for one in getattr(file, "SECTIONS", ())]


def services(found: Iterable[ModuleType]) -> list[Service]:
    """Return the services that files declare."""
    return [file.SERVICE for file in found if hasattr(file, "SERVICE")]


def grouped(found: Iterable[Collector]) -> list[list[Collector]]:
    """Return the collectors; those of one group share what they read, and run one after the other."""
    found = list(found)
    first = {one.name for one in found if not one.after}
    leaders = [one for one in found if one.after not in first]
    groups = [[leader, *(one for one in found if one.after == leader.name)] for leader in leaders]
    return sorted(groups, key=lambda group: not group[0].slow)


def manifest(host: Host) -> dict[str, Any]:
    """Return the manifest of this host."""
    declared = files()
    host.services = services(declared)
    return collected(host, collectors(declared))


def collected(host: Host, declared: Iterable[Collector]) -> dict[str, Any]:
    """Return the manifest of these sections."""
    declared = list(declared)
    for collector in declared:
        if collector.learn:
            collector.learn(host)
    found: dict[str, Section] = {}
    live = Live(host)

    def collect(group: list[Collector]) -> None:
        for collector in group:
            try:
                found[collector.name] = collector.collect(host, live)
            except MissingError as missing:
                host.miss(collector.name, str(missing))
                if isinstance(missing, NotHereError):
                    host.not_here.add(collector.name)
            # One section must not take the others with it, whatever this host has that nobody has thought of.
            except Exception as error:
                host.miss(collector.name, f"{type(error).__name__}: {host.secrets.masked(str(error))}")

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(collect, grouped(declared)))
    sections = without_former(found, host.config.get("former", []))
    return {"schema": SCHEMA, "sections": sections, "missing": host.missing, "not here": sorted(host.not_here)}


def without_former(sections: dict[str, Section], apps: Iterable[str]) -> dict[str, Section]:
    """Return sections without what is kept of applications that the machine had before: accounts, database, roles."""
    for app in apps:
        accounts = {app, f"{app}-owner", f"{app}-fetch"}
        roles = "|".join(
            f"{re.escape(app.replace('-', '_'))}{end}" for end in ("", "_owner", "_writers", "_reader", "_copier", "_b")
        )
        kept = {
            "accounts": re.compile(rf"(user|group|password|key|linger):({'|'.join(map(re.escape, accounts))})(:.*)?"),
            "postgresql": re.compile(rf"database:({roles})|role:({roles})(:password)?|setting:.* for ({roles}) in .*"),
        }
        for name, pattern in kept.items():
            sections[name] = {
                key: [one for one in value if one not in accounts] if isinstance(value, list) else value
                for key, value in sections.get(name, {}).items()
                if not pattern.fullmatch(key)
            }
            if not sections[name]:
                del sections[name]
    return sections


def text_of(content: dict[str, Any]) -> str:
    """Return a manifest as it is written: the same state is the same bytes."""
    text = json.dumps(content, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    # Bytes that are no text come in as halves of characters; JSON has words for those.
    return text.encode("utf-8", "backslashreplace").decode()


def digest_of(text: str) -> str:
    """Return what a manifest is called."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
