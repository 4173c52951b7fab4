"""What people are told of a manifest and of drift. Runs on the control node. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: What is longer does not help on a terminal; the manifest has all of it.
LONGEST = 100


def short(value: object) -> str:
    """Return a value as one line."""
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return one_line(text, LONGEST) or "(empty)"


def items(before: object, after: object) -> str:
    """Return how a value became another; of lists only what came and went."""
    if isinstance(before, list) and isinstance(after, list) and sorted(before) != sorted(after):
        gone = [f"- {short(one)}" for one in before if one not in after]
        came = [f"+ {short(one)}" for one in after if one not in before]
        return "; ".join([*gone, *came])
    return f"{short(before)} → {short(after)}"


def manifest_words(result: Mapping[str, Any]) -> list[str]:
    """Return what was recorded, in a few lines."""
    sections = result["manifest"]["sections"]
    keys = sum(len(section) for section in sections.values())
    say = [f"Manifest {result['digest']}: {keys} values in {len(sections)} sections (/var/lib/samestack/manifest.json)"]
    # What another machine has, or the application does not ask for, is missed by nobody.
    elsewhere = result["manifest"].get("not here", [])
    missing = sorted(result["manifest"]["missing"].items())
    return say + [f"Missing: {part}: {why}" for part, why in missing if part not in elsewhere]


def drift_words(result: Mapping[str, Any]) -> list[str]:
    """Return what changed outside of our runs, one difference a line, with when and by what."""
    baseline = result["baseline"]
    if not baseline:
        return ["No run of ours has recorded a manifest here yet: `./samestack provision` does."]
    since = f"since the {baseline['cause']} of {baseline['time']}" + (
        f" by {baseline['who']}" if baseline["who"] else ""
    )
    if not result["drift"]:
        return [f"Nothing changed here {since}"]
    return [f"{count(result['drift'])} changed here {since}:", *lines(result["drift"])]


def count(drift: list[Any]) -> str:
    """Return how many things changed."""
    return "1 thing" if len(drift) == 1 else f"{len(drift)} things"


def lines(drift: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line for each difference, and one for what is known of it."""
    found = []
    for one in drift:
        name = f"{one['section']}: {one['key']}" if one["key"] else f"{one['section']} (all of it)"
        found.append(f"  {name}: {items(one['before'], one['after'])}")
        known = f"by {one['by']}" + (f", {one['when']}" if one["when"] else "") if one["by"] else "by what is not known"
        found.append(f"      {known}; first seen {one['seen']} ({one['recorded']})")
    return found
