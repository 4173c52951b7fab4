"""Section `units`: which units are enabled and run, what was added to them, and how closed the stack's own are."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ...common.systemd import parse
from ..reading.cache import stat_key
from ..reading.machine import MissingError
from ..reading.processes import replaced
from ..section import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..reading.live import Live
    from ..reading.machine import Host, Section

#: Where administrators, providers and packages put units, and links that enable them
FOLDERS = (
    "/etc/systemd",
    "/run/systemd/system",
    "/usr/lib/systemd/system",
    "/etc/init.d",
    "/etc/rc2.d",
)
ADDED = ("/etc/systemd/system", "/etc/systemd/system.control", "/run/systemd/system", "/run/systemd/system.control")
# What nobody enables or disables says nothing.
SILENT = ("static", "alias", "generated", "transient", "indirect", "-")
KINDS = "service,socket,timer,path,mount,swap"
PROPERTIES = "Id,LoadState,ActiveState,SubState,Type,NeedDaemonReload,FragmentPath,DropInPaths,UnitFileState,MainPID"
# Read by systemctl itself: systemd, which goes before all others on the processors, has nothing to do with it.
UNIT_FILES = ("systemctl", "--root=/", "list-unit-files", "--no-legend", "--no-pager")
ANALYZE = "/usr/bin/systemd-analyze"
RUNNING = ("active", "reloading", "activating", "refreshing")
#: The stack's units beside those of its services
STACK = ("ssh", "nftables", "systemd-timesyncd", "unattended-upgrades", "cron")
#: Units that come and go by themselves
PASSING = re.compile(
    r"^(user@|user-runtime-dir@|session-|run-[ru]?\d|run-user|systemd-(hostnamed|localed|timedated)|"
    r"samestack-(manifest|watch-answer|mail)@)|^run-"
)


def normal_name(unit: str, app: str, release: str) -> str:
    """Return a unit's name in which the live release has a name that stays."""
    found = re.fullmatch(rf"({re.escape(app)}-(?:web|worker-.+?))@([^@]+)\.(\w+)", unit)
    if not found:
        return unit
    instance = "live" if found[2] in (release, f"{release}-2") else "another release"
    return f"{found[1]}@{instance}.{found[3]}"


def stack_pattern(host: Host) -> re.Pattern[str]:
    """Return the pattern of the stack's own units."""
    names = [*STACK, *(unit for service in host.services for unit in service.units)]
    return re.compile(rf"(?:{'|'.join(names)})\.service")


def states(text: str) -> dict[str, str]:
    """Return {unit: state} of `systemctl list-unit-files`, where somebody could have decided otherwise."""
    rows = re.findall(r"^\s*(\S+)\s+(\S+)", text, re.MULTILINE)
    return {unit: state for unit, state in rows if state not in SILENT}


def activity(unit: Mapping[str, str]) -> str:
    """Return what a unit does, the same at any time of the day."""
    if unit["ActiveState"] == "failed":
        return "failed"
    # What runs once, at boot or once in a while, is as well when it is not running.
    if unit.get("Type") == "oneshot":
        return "runs at times"
    return "active" if unit["ActiveState"] in RUNNING else "inactive"


def exposures(text: str) -> dict[str, str]:
    """Return {unit: exposure} of `systemd-analyze security` (0 is closed, 10 open)."""
    return dict(re.findall(r"^(\S+\.service)\s+(\d+\.\d+)\s", text, re.MULTILINE))


def collect(host: Host, live: Live) -> Section:
    """Return the section; raises MissingError."""
    app, stack = host.config["app"], stack_pattern(host)
    files = host.cache.finding("unit files", fingerprint(host), lambda: states(host.run(*UNIT_FILES)))
    section: Section = {f"state:{name}": state for name, state in files.items()}
    shown = parse(host.run("systemctl", "show", "--property", PROPERTIES, "--", *names(host)))
    own: dict[str, Mapping[str, str]] = {}
    for unit in shown:
        name = normal_name(unit["Id"], app, live.id)
        # A worker of the release before may still end what it has begun.
        ending = "@another release." in name and unit["ActiveState"] == "deactivating"
        if unit["LoadState"] in ("not-found", "masked") or PASSING.match(name) or ending:
            continue
        if matters(name, app, stack, unit, files):
            section[f"active:{name}"] = activity(unit)
        if unit.get("NeedDaemonReload") == "yes":
            section[f"not read yet:{name}"] = True
        if unit["Id"].endswith(".service") and (name.startswith(app) or stack.fullmatch(name)):
            own[name] = unit
            if unit.get("MainPID", "0") != "0" and replaced(host, unit["MainPID"]):
                section[f"runs what was replaced:{name}"] = True
    for path in added_files(host):
        section[f"file:{path}"] = "sha256:" + host.cache.digest(host.path(path))[:32]
    try:
        section |= {f"exposure:{name}": score for name, score in scores(host, own).items()}
    except MissingError as missing:
        host.miss("units/exposure", str(missing))
    return section


def names(host: Host) -> list[str]:
    """Return the names of the units that systemd has in hand."""
    text = host.run("systemctl", "list-units", "--all", "--plain", "--no-legend", "--no-pager", f"--type={KINDS}")
    return sorted(line.split()[0] for line in text.splitlines() if line.split())


def matters(name: str, app: str, stack: re.Pattern[str], unit: Mapping[str, str], files: Mapping[str, str]) -> bool:
    """Return whether it matters if a unit runs: somebody wants it, it is the application's, or it has failed."""
    if (
        unit["ActiveState"] == "failed"
        or name.startswith((f"{app}-", f"{app}.", "samestack-"))
        or stack.fullmatch(name)
    ):
        return True
    if name.endswith((".mount", ".swap")):
        return unit["FragmentPath"].startswith("/etc/")
    template = re.sub(r"@[^.]*\.", "@.", name)
    wanted = "enabled" in (files.get(name), files.get(template), unit.get("UnitFileState"))
    return wanted or (unit["ActiveState"] in RUNNING and unit["FragmentPath"].startswith(("/etc/", "/run/")))


def scores(host: Host, units: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return {name: exposure} of units ({name: its properties}); asked when their files or systemd are others."""
    key = [f"{ANALYZE} {state_of(host, ANALYZE)}"]
    for name, unit in sorted(units.items()):
        paths = [unit.get("FragmentPath", ""), *unit.get("DropInPaths", "").split()]
        # Until it has read its files again, systemd tells of what they were.
        key.append(f"{name} {unit.get('NeedDaemonReload')}")
        key += [f"{path} {state_of(host, path)}" for path in paths if path]

    def ask() -> dict[str, str]:
        found = exposures(host.run("systemd-analyze", "security", "--no-pager"))
        return {name: found[unit["Id"]] for name, unit in units.items() if unit["Id"] in found}

    return dict(host.cache.finding("exposure", str(host.keyed("\n".join(key))), ask))


def state_of(host: Host, path: str) -> list[int]:
    """Return what changes with a file; [] where there is none."""
    try:
        found: list[int] = stat_key(os.stat(host.path(path)))
    except OSError:
        return []
    return found


def fingerprint(host: Host) -> str:
    """Return what changes with units and the links that enable them."""
    found: list[str] = []
    for top in FOLDERS:
        for folder, _folders, files in os.walk(host.path(top)):
            status = os.stat(folder)
            found.append(f"{folder} {status.st_mtime_ns} {len(files)}")
            if not folder.startswith("/usr"):
                found += [f"{name} {os.lstat(os.path.join(folder, name)).st_mtime_ns}" for name in sorted(files)]
    return str(host.keyed("\n".join(found)))


def added_files(host: Host) -> Iterable[str]:
    """Return the unit files and drop-ins that no package brings."""
    for top in ADDED:
        for folder, folders, files in os.walk(host.path(top)):
            folders.sort()
            for name in sorted(files):
                path = os.path.join(folder, name)
                if not os.path.islink(path) and not PASSING.match(name):
                    yield "/" + os.path.relpath(path, host.root)


SECTIONS = (Collector("units", collect, slow=True),)
