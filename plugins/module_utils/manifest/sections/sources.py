"""Section `sources`: where apt takes packages from, what it trusts and prefers."""

from __future__ import annotations

import glob
import os
import re
from typing import TYPE_CHECKING

from ..reading.machine import MissingError
from ..section import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..reading.machine import Host, Section

#: What of apt's settings decides what is installed.
SETTINGS = re.compile(
    r"(APT::(Install|Periodic|Default-Release|Snapshot|AutoRemove)|Unattended-Upgrade|Acquire::\S*Proxy|DPkg::)\S*"
)


def one_line(text: str) -> Iterator[tuple[str, str]]:
    """Yield (source, what of it) of a sources.list."""
    for line in text.splitlines():
        found = re.match(r"\s*(deb|deb-src)\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)", line)
        if found:
            kind, options, uri, suite, components = found.groups()
            parts = [*components.split(), *(f"[{option}]" for option in sorted((options or "").split()))]
            yield f"{kind} {uri.rstrip('/')} {suite}", " ".join(parts)


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """Yield the fields of a deb822 file's paragraphs, by their names in small letters."""
    for paragraph in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        name = ""
        for line in paragraph.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace():
                fields[name] = f"{fields.get(name, '')} {line.strip()}".strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields:
            yield fields


def deb822(text: str) -> Iterator[tuple[str, str]]:
    """Yield (source, what of it) of a .sources file."""
    for fields in stanzas(text):
        if fields.get("enabled", "yes").lower() in ("no", "false", "0", "off"):
            continue
        own = ("types", "uris", "suites", "components", "enabled")
        options = [f"[{name}={fields[name]}]" for name in sorted(fields) if name not in own]
        for kind in fields.get("types", "deb").split():
            for uri in fields.get("uris", "").split():
                for suite in fields.get("suites", "").split():
                    yield (
                        f"{kind} {uri.rstrip('/')} {suite}",
                        " ".join([*fields.get("components", "").split(), *options]),
                    )


def pins(text: str) -> Iterator[tuple[str, str]]:
    """Yield (packages, pin) of a preferences file."""
    for fields in stanzas(text):
        name = fields.get("package") or "source " + fields.get("source", "?")
        yield f"pin:{name}", f"{fields.get('pin', '')} = {fields.get('pin-priority', '')}"


def settings(dump: str) -> dict[str, list[str]]:
    """Return what of `apt-config dump` decides what is installed; values in their order."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'^(\S+) "(.*)";$', dump, re.MULTILINE):
        if value and SETTINGS.match(name):
            found.setdefault(f"setting:{name.rstrip(':')}", []).append(value)
    return found


def files(host: Host, *patterns: str) -> list[str]:
    """Return the paths on the host that match, in apt's order."""
    return [
        "/" + os.path.relpath(path, host.root) for pattern in patterns for path in sorted(glob.glob(host.path(pattern)))
    ]


def collect(host: Host) -> Section:
    """Return the section."""
    section: Section = {}
    found: dict[str, list[str]] = {}
    for path in files(host, "/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list"):
        for name, value in one_line(host.text(path)):
            found.setdefault(name, []).append(value)
    for path in files(host, "/etc/apt/sources.list.d/*.sources"):
        for name, value in deb822(host.text(path)):
            found.setdefault(name, []).append(value)
    for path in files(host, "/etc/apt/preferences", "/etc/apt/preferences.d/*"):
        for name, value in pins(host.text(path)):
            found.setdefault(name, []).append(value)
    for name, values in found.items():
        section[host.secrets.masked(name)] = host.secrets.masked("; ".join(sorted(set(values))))
    for path in files(host, "/etc/apt/trusted.gpg", "/etc/apt/trusted.gpg.d/*", "/etc/apt/keyrings/*"):
        if os.path.isfile(host.path(path)):
            section[f"key:{path}"] = "sha256:" + host.cache.digest(host.path(path))[:32]
    try:
        for name, values in settings(host.run("apt-config", "dump")).items():
            section[name] = [host.secrets.masked(value) for value in values]
    except MissingError as missing:
        host.miss("sources/setting", str(missing))
    return section


SECTIONS = (Collector("sources", lambda host, _live: collect(host)),)
