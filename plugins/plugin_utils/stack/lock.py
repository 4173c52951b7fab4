"""The stack lock, `stack.lock.yml`: reading it, checking it, and writing it anew. Pure; the control node uses it.

One section for each OS release and architecture (`debian-13-amd64`), so that machines of different releases, and the
environments that have them, share one file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...module_utils.packages.compare import VERSION, compare
from ..errors import Problem, SamestackError
from ..inventory.files import FileError, read_mapping
from ..inventory.laws import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from ..inventory.files import KeyPath

    # What `machine_facts` returns of each host
    Machines = Mapping[str, Mapping[str, Any]]

FILE = "stack.lock.yml"
HEAD = """\
# The stack lock: the exact versions of the operating system's packages, for each OS release and architecture.
# Written by `./samestack lock-stack`, installed by `./samestack provision` in every environment. Commit it;
# see docs/stack-lock.md.
"""
SECTION = re.compile(r"[a-z]+-[0-9a-z.]+-[a-z0-9]+")
NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?")
SNAPSHOT = re.compile(r"\d{8}T\d{6}Z")
KEYS = ("snapshot", "packages")
# The architectures whose name dpkg and the kernel disagree on
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf", "i686": "i386"}
# Archives that a snapshot service keeps
ARCHIVED = ("debian", "ubuntu")
ANEW = "Write it anew with `./samestack lock-stack`, or take a good one from version control"


class LockError(SamestackError):
    """The hosts cannot be locked; the text is for people."""


def section_name(machine: Mapping[str, Any]) -> str:
    """Return the name of a machine's section, by its facts."""
    architecture = str(machine["architecture"])
    release = machine["release"] or machine["codename"]
    return f"{machine['os']}-{release}-{ARCHITECTURES.get(architecture, architecture)}"


def read_lock(path: Path) -> tuple[dict[str, Any], list[Problem]]:
    """Return the lock's sections, {} where there is no file, and the first thing that is wrong with it, if any."""
    if not path.is_file():
        return {}, []
    try:
        content, lines = read_mapping(path, path.name)
    except FileError as error:
        return {}, [Problem(path.name, error.place, f"the stack lock {error}", ANEW)]
    problem = next(_problems(content, lines, path.name), None)
    if not content:
        problem = Problem(path.name, path.name, "the stack lock is empty", ANEW + ", or delete the file")
    return ({}, [problem]) if problem else (content, [])


def _problems(content: Mapping[str, Any], lines: Mapping[KeyPath, int], label: str) -> Iterator[Problem]:
    """Yield what is wrong with the content of the file."""

    def wrong(path: KeyPath, what: str, fix: str, value: object) -> Problem:
        name = ".".join(map(str, path))
        return Problem(name, f"{label}:{lines.get(path, 1)}", what, fix, show(name, value))

    for section, held in content.items():
        if not SECTION.fullmatch(str(section)):
            yield wrong((section,), "this is no section of the stack lock", "Name it like debian-13-amd64", held)
        elif not isinstance(held, dict) or not isinstance(held.get("packages"), dict) or not held["packages"]:
            yield wrong((section,), "the section has no packages", ANEW, held)
        else:
            for key in held:
                if key not in KEYS:
                    yield wrong((section, key), "there is no such key", f"Write one of: {', '.join(KEYS)}", held[key])
            snapshot = held.get("snapshot", "")
            if snapshot != "" and not (isinstance(snapshot, str) and SNAPSHOT.fullmatch(snapshot)):
                fix = 'Write the moment in UTC, in quotes: "20261125T000000Z"'
                yield wrong((section, "snapshot"), "this is no moment that a snapshot service knows", fix, snapshot)
            for name, version in held["packages"].items():
                path = (section, "packages", name)
                if not NAME.fullmatch(str(name)):
                    yield wrong(path, "this is no package's name", ANEW, version)
                elif not isinstance(version, str):
                    yield wrong(path, "a version is text", f'Write it in quotes: {name}: "1.2.3-1"', version)
                elif not VERSION.fullmatch(version):
                    yield wrong(path, "this is no version of a package", ANEW, version)


def written(sections: Mapping[str, Any]) -> str:
    """Return the text of the file: the same sections, the same bytes."""
    parts = [HEAD + "---"]
    for section in sorted(sections):
        parts.append(f"{section}:")
        if sections[section].get("snapshot"):
            parts.append(f'  snapshot: "{sections[section]["snapshot"]}"')
        parts.append("  packages:")
        packages = sections[section]["packages"]
        parts += [f'    {name}: "{packages[name]}"' for name in sorted(packages)]
    return "\n".join(parts) + "\n"


@dataclass
class Change:
    """What locking changes in one section."""

    section: str
    hosts: list[str]
    added: list[str] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)
    # The hosts are older than the lock was
    lowered: list[str] = field(default_factory=list)
    # Packages that none of these hosts has: another environment locked them
    kept: list[str] = field(default_factory=list)


def locked_anew(sections: Mapping[str, Any], machines: Machines) -> tuple[dict[str, Any], list[Change]]:
    """Return the sections with the versions that some hosts have, and what that changed; raises LockError.

    Other sections stay as they are, and so do packages that none of the hosts has. Where no version changes, neither
    does the snapshot's date.
    """
    result, changes = {name: dict(held) for name, held in sections.items()}, []
    groups: dict[str, dict[str, Any]] = {}
    for host, machine in machines.items():
        groups.setdefault(section_name(machine), {})[host] = machine
    for section, members in sorted(groups.items()):
        versions = _agreed(section, {host: machine["stack"]["versions"] for host, machine in members.items()})
        before = dict((sections.get(section) or {}).get("packages") or {})
        change = Change(section, sorted(members), kept=sorted(set(before) - set(versions)))
        for name in sorted(versions):
            if name not in before:
                change.added.append(name)
            elif versions[name] != before[name]:
                side = change.raised if compare(versions[name], before[name]) > 0 else change.lowered
                side.append(f"{name} {before[name]} → {versions[name]}")
        changes.append(change)
        if change.added or change.raised or change.lowered:
            known = any(section.startswith(f"{system}-") for system in ARCHIVED)
            moment = max(machine["stack"]["updated"] for machine in members.values()) if known else ""
            result[section] = {"snapshot": moment, "packages": {**before, **versions}}
    return result, changes


def _agreed(section: str, found: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the versions that all hosts agree on; raises LockError with those on which they do not."""
    by_version: dict[str, dict[str, list[str]]] = {}
    for host, versions in found.items():
        for name, version in versions.items():
            by_version.setdefault(name, {}).setdefault(version, []).append(host)
    differing = {name: held for name, held in by_version.items() if len(held) > 1}
    if differing:
        lines = [
            f"  {name}: " + ", ".join(f"{version} on {', '.join(sorted(held[version]))}" for version in sorted(held))
            for name, held in sorted(differing.items())
        ]
        raise LockError(
            f"{section}: the hosts do not have the same versions of {counted(len(lines), 'package')}, so that none can "
            "be locked:\n" + "\n".join(lines) + "\nBring them to the same with `./samestack upgrade`, then lock again."
        )
    return {name: next(iter(held)) for name, held in by_version.items()}


def said(changes: Iterable[Change], environment: str) -> list[str]:
    """Return what locking did, in words."""
    lines = []
    for change in changes:
        figures = {"new": change.added, "raised": change.raised, "lowered": change.lowered}
        counts = [f"{len(names)} {word}" for word, names in figures.items() if names] or ["nothing changed"]
        lines.append(f"{change.section} ({', '.join(change.hosts)}): {', '.join(counts)}")
        lines += [f"  raised: {listed(change.raised)}"] if change.raised else []
        if change.lowered:
            lines.append(f"  lowered, {environment} was older than the lock: {listed(change.lowered)}")
        if change.kept:
            lines.append(f"  kept, though {environment} does not have them: {listed(change.kept)}")
    return lines


def listed(words: Iterable[str], most: int = 12) -> str:
    """Return words as a list of which not too many are named."""
    known = list(words)
    return ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "")


def counted(number: int, word: str) -> str:
    """Return a number with its noun."""
    return f"{number} {word}{'' if number == 1 else 's'}"
