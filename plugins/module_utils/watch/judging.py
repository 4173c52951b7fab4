"""What a host has found, judged: sections with what is wrong in each. Pure: facts in, words out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .check import RED, YELLOW, Finding
from .remedies import mended

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .check import Check, Facts

#: While this file's answer is another one, an older host's is not understood
VERSION = 1
UNKNOWN = "unknown"


def judged(check: Check, facts: Facts, limits: Mapping[str, float], app: str) -> list[Finding]:
    """Return what is wrong in one section; what could not be looked at is wrong as well."""
    if UNKNOWN in facts:
        return [Finding(UNKNOWN, YELLOW, f"nobody can say how this is: {facts[UNKNOWN]}", "provision")]
    return [named(one, app) for one in check.judge(facts, limits)]


def named(finding: Finding, app: str) -> Finding:
    """Return a finding with the application's name in its units."""
    words = {name: value.replace("{app}", app) for name, value in finding.words.items()}
    return replace(finding, words=words, unit=finding.unit.replace("{app}", app))


def section(
    check: Check, facts: Facts, limits: Mapping[str, float], about: Mapping[str, str], since: Mapping[str, float]
) -> dict[str, Any]:
    """Return a section as it is shown: its words, and what is wrong with since when and what mends it.

    Args:
        check: whose section it is.
        facts: what was gathered.
        limits: what is too much.
        about: `app`, `host`, and `where`, as a verb takes the environment.
        since: since when each finding is there, by section and key.
    """
    found = judged(check, facts, limits, about["app"])
    return {
        "name": check.name,
        "follows": check.follows,
        "apart": check.apart,
        "worked_on": check.worked_on,
        "words": "nobody can say" if UNKNOWN in facts else check.words(facts),
        "findings": [
            {
                "key": one.key, "level": one.level, "text": one.text, "unit": one.unit, "lines": one.lines,
                "mend": mended(one.remedy, about["where"], one.words.get("host", about["host"]), one.words),
                "since": since.get(f"{check.name} {one.key}", 0), "tells": check.tells and not one.elsewhere,
                "elsewhere": one.elsewhere,
            }
            for one in found
        ],
    }  # fmt: skip


def held(changes: Facts, longest: float) -> str:
    """Return why no alarm is raised now, "" where none is held: a run that changes things, or a stand-in."""
    if changes.get("rehearsal"):
        return "this is a stand-in"
    if changes.get("holder") and changes["held"] <= longest:
        return f"a run is at work ({changes['holder'].get('verb')})"
    return ""


def level(sections: Iterable[Mapping[str, Any]]) -> str:
    """Return the worst level of some sections, "" where all is well."""
    levels = {one["level"] for part in sections for one in part["findings"]}
    return next((name for name in (RED, YELLOW) if name in levels), "")
