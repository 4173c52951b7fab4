"""The texts of a new project: its decisions with where each comes from, and what was found, for people."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import yaml

from ..text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .adopt import Adoption
    from .finding import Finding

WIDTH = 118
#: How sure a finding is, in words for people
SURE = {"sure": "sure", "likely": "likely", "guess": "a guess"}
#: In this order they stand in app.yml; what is not named here comes last.
ORDER = (
    "app_directory", "app_settings_module", "app_wsgi", "app_asgi", "app_health_path", "app_workers", "app_timers",
    "app_redis", "app_redis_open", "app_memcached", "database_extensions", "app_env", "app_secret_env",
    "app_system_packages", "app_build_commands", "app_build_network", "app_after_migrate_commands",
    "app_writable_paths", "web_static_url", "web_media_url",
)  # fmt: skip
MEANINGS = {
    "app_health_path": "A page that must answer 200 before a release may serve",
    "app_workers": "Processes beside the web server (docs/processes.md)",
    "app_timers": "What runs by the clock: systemd's OnCalendar (docs/processes.md)",
    "app_redis": "Redis; the app is told where by REDIS_URL and CELERY_BROKER_URL",
    "app_redis_open": "Redis asks nobody for a password (docs/services.md)",
    "app_memcached": "memcached; the app is told where by MEMCACHED_LOCATION",
    "app_env": "What the settings insist on (docs/app.md says what every app is given)",
    "app_secret_env": "The same, secret: values come from the vault (docs/secrets.md)",
    "app_system_packages": "Packages of the system that it is built with or loads",
    "app_build_commands": "What a build does before collectstatic (docs/building.md)",
    "app_after_migrate_commands": "Once per release, after the migrations",
    "app_writable_paths": "Folders of the source that processes write to, kept outside the releases (docs/data.md)",
    "database_extensions": "Extensions of PostgreSQL",
}


def app_yml(adoption: Adoption, project: Path, repository: str = "") -> str:
    """Return the text of app.yml.

    Args:
        adoption: what was found.
        project: the folder that the project of ours is written into.
        repository: the address of the git repository that the code is in, "" where it has none.
    """
    path = os.path.relpath(adoption.root, project)
    address = repository or "git@example.org:you/yours.git"
    lines = [
        "---",
        "# Your decisions: the file to edit first. `samestack init` wrote what it found; what is not here has",
        "# its default (docs/variables.md). Each says where it was found.",
        f"app_name: {adoption.name}",
        "",
        "# Where the code comes from: this folder. From a repository, at a branch, tag or commit:",
        f'#   app_source: {{type: git, url: "{address}", ref: main, live_checkout: {path}}}',
        "app_source:",
        "  type: path",
        f"  path: {as_yaml(path)}",
    ]
    names = [*(name for name in ORDER if name in adoption.decisions), *sorted(adoption.decisions.keys() - set(ORDER))]
    for name in names:
        lines += ["", *(f"# {text}" for text in comments(name, adoption.findings))]
        lines += decision(name, adoption.decisions[name]).splitlines()
    return "\n".join(lines) + "\n"


def comments(name: str, findings: list[Finding]) -> Iterator[str]:
    """Yield what a decision is for, and where it comes from."""
    if name in MEANINGS:
        yield MEANINGS[name]
    told = set()
    for finding in findings:
        if name not in finding.decisions or not finding.place:
            continue
        about = f"{', '.join(finding.decisions[name])}: " if isinstance(finding.decisions[name], dict) else ""
        note = f": {finding.note}" if finding.note and name != "app_secret_env" else ""
        sure = "" if finding.sure == "sure" else f" ({SURE[finding.sure]})"
        text = printable(f"{about}{finding.place}{sure}{note}")
        if text not in told:
            yield from wrapped(text)
        told.add(text)


def wrapped(text: str, width: int = WIDTH - 2) -> Iterator[str]:
    """Yield a text in lines that are not longer than a file's."""
    line = ""
    for word in text.split():
        if line and len(line) + len(word) + 1 > width:
            yield line
            line = "  " + word
        else:
            line = f"{line} {word}" if line else word
    yield line


def decision(name: str, value: Any) -> str:
    """Return a decision as YAML that people would write."""
    return yaml.safe_dump({name: value}, sort_keys=False, allow_unicode=True, width=WIDTH, default_flow_style=False)


def as_yaml(value: str) -> str:
    """Return a text as YAML in one line."""
    dumped: str = yaml.safe_dump(value, width=float("inf"), allow_unicode=True)
    return dumped.removesuffix("...\n").strip()


def of_dev(text: str, adoption: Adoption) -> str:
    """Return dev's differences with what was found to be otherwise there."""
    lines: list[str] = []
    for line in text.splitlines():
        name = line.partition(":")[0]
        if name in adoption.of_dev:
            lines += [f"# {told}" for told in comments(name, adoption.findings)]
            lines += decision(name, adoption.of_dev[name]).splitlines()
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def stand_ins(values: dict[str, str]) -> str:
    """Return the lines for local machines about secrets that somebody takes apart; "" for none."""
    if not values:
        return ""
    head = (
        "# Harmless: the app takes these apart, and would not start with a random text. Real ones are in the vault.\n"
    )
    return head + yaml.safe_dump(values, sort_keys=True, allow_unicode=True, width=WIDTH)


def report(adoption: Adoption) -> list[str]:
    """Return what was found, a line each: what, its value, where, how sure."""
    rows = [(finding.what, finding.value, finding) for finding in adoption.findings]
    width = min(max((len(what) for what, _value, _finding in rows), default=0), 32)
    lines = []
    for what, value, finding in rows:
        place = f"   {finding.place}" if finding.place else ""
        mark = "!" if finding.problem else " "
        lines.append(printable(f"{mark} {what.ljust(width)}  {value}{place} ({SURE[finding.sure]})"))
        if finding.note:
            lines += [printable(f"  {' ' * width}    {line}") for line in wrapped(finding.note, 90)]
    return lines


def with_domain(text: str, environment: str, domain: str) -> str:
    """Return an inventory file of an environment with a site's domain in the place of the example's."""
    bare = domain.removeprefix("www.")
    if environment == "staging":
        return re.sub(r"staging\.example\.com", f"staging.{bare}", text).replace("admin@example.com", f"admin@{bare}")
    names = [domain, bare] if domain != bare else [domain]
    listed = "\n".join(f"  - {name}" for name in names)
    text = text.replace("  - www.example.com\n  - example.com", listed).replace("admin@example.com", f"admin@{bare}")
    return text.replace("www.example.com", domain).replace("backup.example.com", f"backup.{bare}")
