"""What changed on this host outside of our runs: what, when it was seen first, and by what where that can be known."""

from __future__ import annotations

import calendar
import os
import re
import time
from typing import TYPE_CHECKING, Any

from ..common.held_folder import user_name
from .differences import differences, value
from .reading import apt_log

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .history import History

TIME = "%Y-%m-%dT%H:%M:%SZ"
#: Where what a section says is written, by the beginning of the key ("" for any)
FILES = {
    ("accounts", "user:"): "/etc/passwd", ("accounts", "password:"): "/etc/shadow",
    ("accounts", "group:"): "/etc/group", ("system", "time zone"): "/etc/localtime",
    ("system", "locale:"): "/etc/default/locale", ("system", "host name"): "/etc/hostname",
    ("environment", ""): "/etc/{app}/env", ("gunicorn", ""): "/etc/{app}/gunicorn.conf.py",
}  # fmt: skip
PATH = re.compile(r"(/[\w./@+:~-]*[\w])")


def seconds(text: str) -> float:
    """Return a recording's time in seconds since 1970."""
    return float(calendar.timegm(time.strptime(text, TIME)))


def drift(history: History, manifest: Mapping[str, Any], now: str, app: str) -> list[dict[str, Any]]:
    """Return [{section, key, before, after, seen, by, when}] since the last run of ours; [] where there was none."""
    baseline = history.baseline
    if not baseline:
        return []
    found: list[dict[str, Any]] = differences(baseline["manifest"], manifest)
    if not found:
        return []
    later = after(history, baseline)
    log = apt_log.since(seconds(baseline["time"]) - 1)
    for one in found:
        one["seen"], one["recorded"] = first_seen(one, later, now)
        one.update(cause(one, log, app))
    return found


def after(history: History, baseline: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Return (time, cause, manifest) of the recordings after the baseline, oldest first."""
    lines = history.lines
    last = max(index for index, line in enumerate(lines) if line == {name: baseline[name] for name in line})
    read: dict[str, Any] = {}
    found = []
    for line in lines[last + 1 :]:
        content = read.setdefault(line["digest"], history.read(line["digest"]))
        if content:
            found.append((line["time"], line["cause"], content))
    return found


def first_seen(
    one: Mapping[str, Any], later: Iterable[tuple[str, str, Mapping[str, Any]]], now: str
) -> tuple[str, str]:
    """Return when, and by which kind of recording, what differs was first seen as it is now or on the way to it."""
    seen: tuple[str, str] | None = None
    for moment, kind, manifest in later:
        if value(manifest, one["section"], one["key"]) == one["before"]:
            seen = None
        elif seen is None:
            seen = (moment, kind)
    return seen or (now, "asked")


def cause(one: Mapping[str, Any], log: list[dict[str, Any]], app: str) -> dict[str, Any]:
    """Return what is known of who or what did it: {by, when}, empty where nothing is."""
    section, key = one["section"], one["key"]
    if section == "packages":
        known = apt_log.about(key.split(":")[0], log)
        if known:
            who = f" ({known['by']})" if known["by"] else ""
            return {"by": f"{known['command'] or 'apt'}{who}", "when": known["time"]}
    for path in paths(section, key, one["after"], app):
        known = changed(path)
        if known:
            return known
    return {"by": "", "when": ""}


def changed(path: str) -> dict[str, str]:
    """Return whose a file is and when it was changed; of one that is gone, what is known of its folder."""
    try:
        status = os.lstat(path)
        what = f"a change of {path} ({user_name(status.st_uid)}'s)"
    except OSError:
        try:
            status = os.stat(os.path.dirname(path))
        except OSError:
            return {}
        what = f"a change in {os.path.dirname(path)}"
    # Whoever sets a file's time back changes its attributes by that.
    return {"by": what, "when": apt_log.as_utc(max(status.st_mtime, status.st_ctime))}


def paths(section: str, key: str, state: object, app: str) -> list[str]:
    """Return the files that a key is about."""
    found = [path.format(app=app) for (name, start), path in FILES.items() if name == section and key.startswith(start)]
    if section == "release" and isinstance(state, list):
        found += [f"/srv/{app}/current/{re.sub(r' [(][a-z]+[)]$', '', text)}" for text in state]
    found += PATH.findall(key) if key.startswith("/") or ":/" in key else []
    if section == "accounts" and key.startswith("key:"):
        home = os.path.expanduser("~" + key.split(":")[1])
        found.append(f"{home}/.ssh/authorized_keys")
    if section == "timers" and key.startswith("crontab:"):
        found.append(f"/var/spool/cron/crontabs/{key.split(':')[1]}")
    return found
