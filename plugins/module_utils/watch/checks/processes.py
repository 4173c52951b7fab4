"""Section `processes`: the application's web server, workers and timers as systemd sees them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...common import pending
from ...common.systemd import ENDED
from ...release.place import Place
from .. import journal
from ..check import ANYTHING, RED, YELLOW, Check, Facts, Finding, Look
from ..spans import span
from ..systemd import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Seconds in which restarts are counted
WINDOW = 600
#: Lines of a job's log, and bytes of them, in which its number is: systemd has the last words
LINES, BYTES = 20, 1 << 16
SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?")
RUNS = ("active", "activating", "reloading", "deactivating")


def gather(look: Look) -> Facts | None:
    """Return the facts, None where the application does not run here or is stopped on purpose; raises HostError."""
    settings, app = look.settings, look.settings.app
    release = Place(settings.root, "").current
    if not settings.runs or not release:
        return None
    workers = {f"{app}-worker-{name}@{release}.service": name for name in settings.workers}
    timers = {f"{app}-timer-{name}": name for name in settings.timers}
    units = [*workers, *(unit + end for unit in timers for end in (".timer", ".service"))]
    units += [f"{app}-web@*"] if settings.site else []
    found = shown(look, units)
    web = [unit for unit in found if unit.startswith(f"{app}-web@")]
    look.memory.forget("restarts ", [*workers, *web])
    return {
        "now": look.now,
        "paused": pending.is_paused(app),
        "web": [one(look, unit, found) for unit in web],
        "serves": bool(settings.site),
        "workers": {name: one(look, unit, found) for unit, name in workers.items()},
        "timers": {name: timer(unit, found) for unit, name in timers.items()},
        "backlogs": {name: backlog(f"{app}-timer-{name}.service") for name in settings.backlogs},
    }


def one(look: Look, unit: str, found: Mapping[str, Mapping[str, str]]) -> Facts:
    """Return how a process that always runs is."""
    about = found.get(unit, {})
    restarts = int(about.get("NRestarts") or 0)
    return {
        "unit": unit, "state": about.get("ActiveState", "inactive"), "result": about.get("Result", ""),
        "since": moment_of(about.get("StateChangeTimestamp", "")), "says": about.get("StatusText", ""),
        "restarts": look.memory.growth(f"restarts {unit}", look.now, restarts, WINDOW),
    }  # fmt: skip


def timer(unit: str, found: Mapping[str, Mapping[str, str]]) -> Facts:
    """Return how a timer and its last job are."""
    clock, job = found.get(f"{unit}.timer", {}), found.get(f"{unit}.service", {})
    return {
        "unit": f"{unit}.service", "waits": clock.get("ActiveState") in RUNS,
        "failed": job.get("ActiveState") == "failed",
        "result": job.get("Result", ""), "last": moment_of(clock.get("LastTriggerUSec", "")),
        "runs": job.get("ActiveState") in RUNS,
    }  # fmt: skip


def backlog(unit: str) -> float | None:
    """Return the number that a job has printed last, None where it printed none."""
    lines = journal.last_lines(unit, LINES, BYTES).split("\n")
    numbers = [line.strip() for line in lines if SECONDS.fullmatch(line.strip())]
    return float(numbers[-1]) if numbers else None


def moment_of(text: str) -> float:
    """Return a time of systemd's (`@` and seconds), 0 for none."""
    return float(text[1:]) if text[:1] == "@" and text[1:].replace(".", "", 1).isdigit() else 0


def judge(facts: Facts, limits: Mapping[str, float]) -> Iterator[Finding]:
    """Yield what does not run, what does not stay up, and what has failed."""
    if facts["paused"]:
        return
    if facts["serves"] and not any(web["state"] == "active" for web in facts["web"]):
        yield Finding(
            "web", RED, "no web server of the live release runs", "restart", {"unit": "{app}.service"}, "{app}-web@*"
        )
    for name, about in [*(("web", web) for web in facts["web"]), *facts["workers"].items()]:
        what = "the web server" if name == "web" else f"worker {name}"
        if about["restarts"] >= limits["restarts"]:
            often = f"{what} was started anew {about['restarts']:.0f} times in {span(WINDOW)}: it does not stay up"
            yield Finding(f"crashes {name}", RED, often, "logs", unit=about["unit"])
        elif name != "web" and about["says"].startswith(ENDED):
            # With live code what runs the worker waits for a file to be saved.
            yield Finding(f"worker {name}", RED, f"{what} {about['says']}", "logs", unit=about["unit"])
        elif name != "web" and about["state"] not in RUNS:
            why = f" ({about['result']})" if about["result"] not in ("", "success") else ""
            yield Finding(
                f"worker {name}", RED, f"{what} does not run{why}", "restart", {"unit": about["unit"]}, about["unit"]
            )
    for name, about in facts["timers"].items():
        if not about["waits"]:
            unit = about["unit"].removesuffix(".service") + ".timer"
            yield Finding(f"timer {name}", RED, f"timer {name} is stopped", "start", {"unit": unit})
        if about["failed"]:
            when = f", {span(facts['now'] - about['last'])} ago" if about["last"] else ""
            text = f"the last job of timer {name} failed ({about['result']}{when})"
            yield Finding(f"job {name}", RED, text, "restart", {"unit": about["unit"]}, about["unit"])

    for name, waits in facts["backlogs"].items():
        unit = facts["timers"][name]["unit"]
        if waits is None and facts["timers"][name]["last"]:
            yield Finding(f"backlog {name}", YELLOW, f"timer {name} prints no number of seconds", "logs", unit=unit)
        elif waits and waits >= limits["backlog"] / 3:
            level = RED if waits >= limits["backlog"] else YELLOW
            yield Finding(f"backlog {name}", level, f"the oldest job waits for {span(waits)} (timer {name})", "logs")


def words(facts: Facts) -> str:
    """Return what runs, and when each timer was last at work."""
    if facts["paused"]:
        return "stopped on purpose, until the next release serves"
    parts = [f"web {sum(web['state'] == 'active' for web in facts['web'])}"] if facts["serves"] else []
    up = [name for name, about in facts["workers"].items() if about["state"] in RUNS]
    parts += [f"workers {', '.join(up)}"] if up else []
    for name, about in facts["timers"].items():
        last = (
            "at work" if about["runs"] else f"{span(facts['now'] - about['last'])} ago" if about["last"] else "not yet"
        )
        parts.append(f"timer {name} {last}")
    parts += [f"oldest job {span(waits)}" for waits in facts["backlogs"].values() if waits is not None]
    return "; ".join(parts) or "none here"


CHECK = Check("processes", 30, gather, judge, words, worked_on=True, follows=ANYTHING)
