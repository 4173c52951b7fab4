"""Section `release`: what serves, since when, and whether the last change of it went well."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...common.files import read_json
from ...common.ledger import SWITCHING, read_ledger
from ...release.place import LIVE_CODE, Place
from ..check import YELLOW, Check, Facts, Finding, Look
from ..spans import moment, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def gather(look: Look) -> Facts | None:
    """Return the facts, None where the application does not run here."""
    settings = look.settings
    if not settings.runs:
        return None
    place = Place(settings.root, "")
    current = place.current
    build = read_json(Place(settings.root, current).path("build.json")) if current else None
    lines = [line for line in read_ledger() if line.get("verb") in SWITCHING and line.get("app") == settings.app]
    last = lines[-1] if lines else {}
    return {
        "release": "live code" if current == LIVE_CODE else current,
        "label": str((build or {}).get("label", "")),
        "since": os.lstat(f"{settings.root}/current").st_mtime if current else 0,
        "now": look.now,
        "last": {name: str(last.get(name, "")) for name in ("verb", "who", "result", "time", "release")},
    }


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


CHECK = Check("release", 20, gather, judge, words)
