"""Section `release`: what serves, since when, and whether the last change of it went well."""

from __future__ import annotations

import calendar
import os
import time
from typing import TYPE_CHECKING, Any

from ...common.files import read_json
from ...common.ledger import SWITCHING, read_ledger
from ...release.place import LIVE_CODE, Place
from ..check import YELLOW, Check, Facts, Finding, Look
from ..metrics import Metric
from ..spans import DAY, moment, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..settings import Settings

#: For how long, and how many at most, deployments are marked in what is shown over time
MARKED, MOST = 7 * DAY, 200


def gather(look: Look) -> Facts | None:
    """Return the facts, None where the application does not run here."""
    settings = look.settings
    if not settings.runs:
        return None
    place = Place(settings.root, "")
    current = place.current
    build = read_json(Place(settings.root, current).path("build.json")) if current else None
    lines = switches(settings.app)
    last = lines[-1] if lines else {}
    return {
        "release": "live code" if current == LIVE_CODE else current,
        "label": str((build or {}).get("label", "")),
        "since": os.lstat(f"{settings.root}/current").st_mtime if current else 0,
        "now": look.now,
        "last": {name: str(last.get(name, "")) for name in ("verb", "who", "result", "time", "release")},
    }


def switches(app: str) -> list[dict[str, Any]]:
    """Return the ledger's lines about what serves, oldest first."""
    return [line for line in read_ledger() if line.get("verb") in SWITCHING and line.get("app") == app]


def marks(settings: Settings, now: float) -> list[dict[str, Any]]:
    """Return what has changed what serves in the last week: when, how, to which release, and how it ended."""
    found = []
    for line in switches(settings.app)[-MOST:]:
        try:
            when = calendar.timegm(time.strptime(str(line.get("time")), "%Y-%m-%dT%H:%M:%SZ"))
        except ValueError:
            continue
        if 0 <= now - when <= MARKED:
            found.append({"time": when, **{name: str(line.get(name, "")) for name in ("verb", "result", "release")}})
    return found


def judge(facts: Facts, _: Mapping[str, float]) -> Iterator[Finding]:
    """Yield what is missing."""
    if not facts["release"]:
        yield Finding("none", YELLOW, "no release was deployed yet", "deploy")


def words(facts: Facts) -> str:
    """Return what serves, and since when."""
    if not facts["release"]:
        return "none"
    label = f" ({facts['label']})" if facts["label"] else ""
    failed = facts["last"]
    after = f"; the last {failed['verb']} failed, {failed['time']}" if failed["result"] == "failed" else ""
    return f"{facts['release']}{label} since {moment(facts['since'])} ({span(facts['now'] - facts['since'])}){after}"


def metrics(facts: Facts) -> Iterator[Metric]:
    """Yield what serves, and since when."""
    if facts["release"]:
        yield Metric("samestack_release_info", 1, {"release": facts["release"]})
        yield Metric("samestack_release_since_seconds", facts["since"])


CHECK = Check("release", 20, gather, judge, words, metrics)
