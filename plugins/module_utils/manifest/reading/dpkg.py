"""What dpkg and ucf know of files: which package a path belongs to, and what it was when it came."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .machine import Host

INFO, STATUS, UCF = "/var/lib/dpkg/info", "/var/lib/dpkg/status", "/var/lib/ucf/hashfile"
DIVERSIONS = "/var/lib/dpkg/diversions"
#: What people and services start, and what decides who may log in; its bytes are compared with the package's.
PROGRAM = re.compile(r"/usr/(s?bin|libexec|lib/(systemd|openssh|postgresql/[^/]+/bin)|lib/[^/]+/security)/")
#: Folders in which whatever no package has brought is named
LOOKED_AT = (
    "/etc/", "/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/local/", "/usr/lib/systemd/", "/lib/systemd/",
    "/usr/libexec/", "/usr/lib/openssh/", "/usr/lib/postgresql/",
)  # fmt: skip


def conffiles(status: str) -> dict[str, str]:
    """Return {path: md5} of what packages bring as configuration, of dpkg's status file."""
    found = {}
    for block in re.findall(r"^Conffiles:\n((?: .*\n)+)", status, re.MULTILINE):
        for line in block.splitlines():
            path, md5, *remarks = line.split()
            if not remarks:
                found[path] = md5
    return found


def ucf_files(text: str) -> dict[str, str]:
    """Return {path: md5} of what ucf has put in place."""
    return {path: md5 for md5, path in re.findall(r"^([0-9a-f]{32})\s+(/\S+)$", text, re.MULTILINE)}


def paths(lists: Iterable[str]) -> set[str]:
    """Return the paths of packages' lists that are looked at."""
    return {line for text in lists for line in text.splitlines() if line.startswith(LOOKED_AT)}


def programs(sums: Iterable[str], diverted: str) -> dict[str, str]:
    """Return {path: md5} of the programs in packages' lists of sums, those left out that another takes the place of."""
    elsewhere = set(diverted.splitlines())
    found = {}
    for text in sums:
        for line in text.splitlines():
            md5, _, name = line.partition("  ")
            path = merged("/" + name)
            if PROGRAM.match(path) and path not in elsewhere:
                found[path] = md5
    return found


def merged(path: str) -> str:
    """Return a path as it is called since /usr was merged."""
    return "/usr" + path if path.startswith(("/bin/", "/sbin/", "/lib/")) else path


def known(host: Host) -> dict[str, Any]:
    """Return {"defaults": {path: md5}, "owned": paths}, read anew when a package changes."""
    files = [host.path(path) for path in (STATUS, INFO, UCF, DIVERSIONS)]
    times = [str(os.stat(path).st_mtime_ns) for path in files if os.path.exists(path)]
    found: dict[str, Any] = host.cache.finding("dpkg", " ".join(times), lambda: read(host))
    return found


def read(host: Host) -> dict[str, Any]:
    """Read dpkg's and ucf's own files."""
    names = sorted(os.listdir(host.path(INFO)))
    owned = paths(host.text(f"{INFO}/{name}") for name in names if name.endswith(".list"))
    sums = (host.text(f"{INFO}/{name}") for name in names if name.endswith(".md5sums"))
    defaults = programs(sums, host.text(DIVERSIONS))
    return {
        "defaults": {**defaults, **ucf_files(host.text(UCF)), **conffiles(host.text(STATUS))},
        "owned": sorted(map(merged, owned)),
    }
