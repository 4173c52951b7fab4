"""What apt and dpkg have written down of their transactions."""

from __future__ import annotations

import glob
import gzip
import os
import re
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

HISTORY = "/var/log/apt/history.log"
DPKG = "/var/log/dpkg.log"
KINDS = ("Install", "Reinstall", "Upgrade", "Downgrade", "Remove", "Purge")


def seconds(local: str) -> float:
    """Return a time of a log (`2026-11-25  15:03:11`, in the host's own zone) in seconds since 1970."""
    return time.mktime(time.strptime(" ".join(local.split()), "%Y-%m-%d %H:%M:%S"))


def as_utc(moment: float) -> str:
    """Return a time as it is written everywhere."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def packages(text: str) -> dict[str, str]:
    """Return {package: versions} of a transaction's line: `nginx:amd64 (1.0, 1.1), …`."""
    found = re.findall(r"(\S+?)(?::\w+)? \(([^)]*)\)", text)
    return {name: versions.replace(", automatic", "") for name, versions in found}


def transactions(text: str) -> list[dict[str, Any]]:
    """Return the transactions of apt's history, oldest first: {seconds, command, by, packages: {name: what}}."""
    found = []
    for paragraph in text.split("\n\n"):
        fields: dict[str, str] = dict(re.findall(r"^([\w-]+): (.*)$", paragraph, re.MULTILINE))
        if "Start-Date" not in fields:
            continue
        changes = {
            name: f"{kind.lower()} {versions}"
            for kind in KINDS
            for name, versions in packages(fields.get(kind, "")).items()
        }
        who = re.sub(r" \(\d+\)$", "", fields.get("Requested-By", ""))
        end = fields.get("End-Date") or fields["Start-Date"]
        found.append(
            {"seconds": seconds(end), "command": fields.get("Commandline", ""), "by": who, "packages": changes}
        )
    return found


def dpkg_changes(text: str) -> list[dict[str, Any]]:
    """Return what dpkg did, whoever called it, as transactions of one package each."""
    found = []
    for line in re.findall(
        r"^(\S+ \S+) (install|upgrade|remove|purge) (\S+?)(?::\w+)? (\S+) (\S+)$", text, re.MULTILINE
    ):
        moment, verb, name, before, after = line
        versions = after if before == "<none>" else before if after == "<none>" else f"{before}, {after}"
        found.append(
            {
                "seconds": seconds(moment),
                "command": f"dpkg ({verb})",
                "by": "",
                "packages": {name: f"{verb} {versions}"},
            }
        )
    return found


def read(path: str, since: float) -> str:
    """Return a log with its older parts, those that were last written after a time; oldest first."""
    parts = []
    for file in sorted(glob.glob(path + "*"), key=age, reverse=True):
        if os.stat(file).st_mtime >= since:
            opened = gzip.open if file.endswith(".gz") else open
            with opened(file, "rt", encoding="utf-8", errors="replace") as stream:
                parts.append(stream.read())
    return "\n\n".join(parts)


def age(file: str) -> int:
    """Return the number of a rotated log, 0 for the one that is written now."""
    found = re.search(r"\.(\d+)(\.gz)?$", file)
    return int(found[1]) if found else 0


def since(moment: float, history: str = HISTORY, dpkg: str = DPKG) -> list[dict[str, Any]]:
    """Return the transactions after a time (seconds since 1970), oldest first; dpkg's own among them."""
    known = [one for one in transactions(read(history, moment)) if one["seconds"] > moment]
    named = {(name, what.split()[-1]) for one in known for name, what in one["packages"].items()}
    for one in dpkg_changes(read(dpkg, moment)):
        told = named & {(name, what.split()[-1]) for name, what in one["packages"].items()}
        known += [one] if one["seconds"] > moment and not told else []
    return [
        {"time": as_utc(one["seconds"]), **{name: one[name] for name in ("command", "by", "packages")}}
        for one in sorted(known, key=lambda one: one["seconds"])
    ]


def about(package: str, log: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the last transaction that was about a package."""
    return next((one for one in reversed(list(log)) if package in one["packages"]), None)
