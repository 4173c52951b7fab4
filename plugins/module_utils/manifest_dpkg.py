"""What dpkg and ucf know of files: which package a path belongs to, and what it was when it came."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible.module_utils.manifest_host import Host

INFO, STATUS, UCF = "/var/lib/dpkg/info", "/var/lib/dpkg/status", "/var/lib/ucf/hashfile"
#: Folders in which whatever no package has brought is named
LOOKED_AT = ("/etc/", "/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/", "/usr/local/", "/usr/lib/systemd/", "/lib/systemd/")


def conffiles(status: str) -> dict[str, str]:
    """Return {path: md5} of what packages bring as configuration, of dpkg's status file."""
    found = {}
    for block in re.findall(r"^Conffiles:\n((?: .*\n)+)", status, re.MULTILINE):
        for line in block.splitlines():
            words = line.split()
            if len(words) >= 2 and words[-1] not in ("obsolete", "remove-on-upgrade"):
                found[words[0]] = words[1]
    return found


def ucf_files(text: str) -> dict[str, str]:
    """Return {path: md5} of what ucf has put in place."""
    rows = [line.split() for line in text.splitlines()]
    return {row[1]: row[0] for row in rows if len(row) == 2}


def paths(lists: Iterable[str]) -> set[str]:
    """Return the paths of packages' lists that are looked at."""
    return {line for text in lists for line in text.splitlines() if line.startswith(LOOKED_AT)}


def known(host: Host) -> Mapping[str, list[str] | dict[str, str]]:
    """Return {"defaults": {path: md5}, "owned": paths}, read anew when a package changes."""
    follows = "".join(
        str(os.stat(host.path(path)).st_mtime_ns) if os.path.exists(host.path(path)) else "-"
        for path in (STATUS, INFO, UCF)
    )
    found: dict[str, list[str] | dict[str, str]] = host.cache.finding("dpkg", follows, lambda: read(host))
    return found


def read(host: Host) -> dict[str, list[str] | dict[str, str]]:
    """Read dpkg's and ucf's own files."""
    folder = host.path(INFO)
    names = sorted(name for name in os.listdir(folder) if name.endswith(".list"))
    owned = paths(host.text(f"{INFO}/{name}") for name in names)
    return {
        "defaults": {**ucf_files(host.text(UCF)), **conffiles(host.text(STATUS))},
        "owned": sorted(owned),
    }
