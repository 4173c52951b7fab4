"""The ledger as people read it. Pure; the control node uses it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..connection.lock_messages import moment
from ..text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HEAD = ("When (UTC)", "Verb", "Who", "From → to", "Commits", "Time", "Migrations", "Errors", "p95", "Result")
SWITCHING = ("deploy", "promote", "rollback", "restore")
TIMED = (*SWITCHING, "provision", "upgrade")
WHO_LETTERS, LABEL_LETTERS, REASON_LETTERS = 18, 24, 70
FILES_NAMED = 8
GAP = "  "


def table(state: Mapping[str, Any], environment: str, limit: int, width: int) -> list[str]:
    """Return the lines that tell what an environment serves and how it came to that, newest first."""
    rows = [HEAD, *(row(line, marks(line, state)) for line in told(state, limit))]
    return [*heading(state, environment), "", *aligned(rows, width), *targets(state)]


def heading(state: Mapping[str, Any], environment: str) -> list[str]:
    """Return what there is to know before one looks at the past."""
    live = state["live"]
    label = f" ({live['label']})" if live.get("label") else ""
    lines = [f"{environment} serves {live['release']}{label}" if live else f"{environment} serves nothing yet"]
    if frozen := state["frozen"]:
        why = f": {frozen['message']}" if frozen.get("message") else ""
        lines.append(f"Frozen by {frozen.get('who')} at {moment(float(frozen.get('since') or 0))}{why}")
    if closed := state["maintenance"]:
        lines.append(f"Visitors see the maintenance page since {moment(closed['since'])}: {closed['message']}")
    if holder := state["holder"]:
        lines.append(f"At work: {holder.get('who')}, {holder.get('verb')}, since {moment(float(holder['since']))}")
    if changed := state.get("dirty"):
        more = f" and {len(changed) - FILES_NAMED} more" if len(changed) > FILES_NAMED else ""
        lines.append(f"Changed on the host since it was built: {', '.join(changed[:FILES_NAMED])}{more}")
    return lines


def told(state: Mapping[str, Any], limit: int) -> list[dict[str, Any]]:
    """Return the newest lines, the newest first, each with the marks that belong to one line only."""
    lines = [dict(line) for line in state["lines"]]
    current = state["live"].get("release")
    # A switch that was made without a word in the ledger has no line to be marked.
    made = [line for line in lines if line.get("result") == "ok" and line.get("verb") in SWITCHING]
    if made and made[-1].get("release") == current:
        made[-1]["current"] = True
    return lines[::-1][:limit]


def marks(line: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
    """Return what stands beside a line."""
    accepted = {one.get("release") for one in state["lines"] if one.get("verb") == "accept"}
    found = {
        "failed": line.get("result") == "failed",
        "current": line.get("current"),
        "dirty": line.get("current") and state.get("dirty"),
        "worse": (line.get("traffic") or {}).get("worse"),
        "tests passed": tests(line) == "ok",
        "tests skipped": tests(line) == "skipped",
        "differences accepted": line.get("differences_accepted"),
        "accepted": line.get("verb") in SWITCHING and line.get("result") == "ok" and line.get("release") in accepted,
    }
    return [f"({name})" for name, holds in found.items() if holds]


def tests(line: Mapping[str, Any]) -> str:
    """Return what came of the tests of a line's release, "" where it had none; of those that fail it says more."""
    return str((line.get("tests") or {}).get("result", ""))


def row(line: Mapping[str, Any], marked: Sequence[str]) -> tuple[str, ...]:
    """Return a line's cells."""
    when = str(line.get("time", ""))[:16].replace("T", " ")
    person = shortened(str(line.get("who", "")).split(" <")[0], WHO_LETTERS)
    seconds = f"{line['seconds']} s" if line.get("seconds") and line.get("verb") in TIMED else ""
    migrations = line.get("migrations")
    number = str(len(migrations)) if isinstance(migrations, list) and migrations else ""
    result = [] if line.get("result") == "failed" else [str(line.get("result", ""))]
    reason = shortened(str(line.get("reason", "")).strip().split("\n")[0], REASON_LETTERS)
    end = " ".join([*result, *marked, *([reason] if reason else [])])
    verb = str(line.get("verb", ""))
    return when, verb, person, subject(line), commits(line), seconds, number, *traffic(line), end


def traffic(line: Mapping[str, Any]) -> tuple[str, str]:
    """Return how many requests failed, and how long nearly all took: before a release, and in its first hour."""
    found = line.get("traffic")
    both = (found["before"], found["after"]) if found else ()
    known = [one if one and one["requests"] else None for one in both]
    shares = [f"{one['errors'] * 100 / one['requests']:.2g} %" if one else "?" for one in known]
    times = [f"{one['p95'] * 1000:.0f} ms" if one and one["p95"] is not None else "?" for one in known]
    shown = ["" if set(texts) <= {"?"} else " → ".join(texts) for texts in (shares, times)]
    return shown[0], shown[1]


def subject(line: Mapping[str, Any]) -> str:
    """Return what a line is about: from which release to which, or a release, or what was said."""
    if line.get("verb") in SWITCHING and (line.get("to") or line.get("release")):
        to = str(line.get("to") or line.get("release") or "")
        return f"{line['from']} → {to}" if line.get("from") else f"→ {to}" if to else ""
    if (line.get("files") or line.get("packages")) and not line.get("message"):
        files = line.get("files")
        numbers = {"file": len(files) if isinstance(files, list) else files, "package": line.get("packages")}
        return ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for noun, count in numbers.items() if count)
    said = "off" if line.get("on") is False else str(line.get("message", ""))
    return shortened(GAP.join(part for part in (str(line.get("release", "")), said) if part), 32)


def commits(line: Mapping[str, Any]) -> str:
    """Return how many commits a release brought, and its label."""
    found = line.get("commits")
    number = len(found) if isinstance(found, list) else found
    parts = [str(number) if number else "", shortened(short_label(str(line.get("label") or "")), LABEL_LETTERS)]
    return ", ".join(part for part in parts if part)


def short_label(label: str) -> str:
    """Return what people call a release: its ref (`git …, <ref> is <commit>`) or folder (`path <folder>, …`)."""
    found = re.fullmatch(r"(?:git|hg) .*, (?P<ref>\S+) is [0-9a-f]+|path (?P<folder>.*), \d+ files", label)
    return (found["ref"] or found["folder"]) if found else label


def targets(state: Mapping[str, Any]) -> list[str]:
    """Return the line that names what `./samestack rollback` can go to."""
    last: dict[str, Mapping[str, Any]] = {}
    for line in state["lines"]:
        if line.get("verb") in SWITCHING and line.get("release"):
            last.pop(line["release"], None)
            last[line["release"]] = line
    current = state["live"].get("release")
    good = [name for name, line in last.items() if line.get("result") == "ok" and name in state["kept"]]
    names = [name for name in reversed(good) if name != current]
    return ["", f"Kept on the host: {', '.join(names)} (./samestack rollback --to …)"] if names else []


def shortened(text: str, letters: int) -> str:
    """Return a text as one printable line of at most so many letters."""
    return one_line(text, letters)


def aligned(rows: Iterable[Sequence[str]], width: int) -> list[str]:
    """Return rows as lines with columns; a column that is empty but for its head is left out, a long line is cut."""
    found = [[one_line(cell) for cell in one] for one in rows]
    shown = [index for index in range(len(HEAD)) if len(found) == 1 or any(one[index] for one in found[1:])]
    widths = {index: max(len(one[index]) for one in found) for index in shown}
    lines = [GAP.join(one[index].ljust(widths[index]) for index in shown).rstrip() for one in found]
    return [line if len(line) <= width else line[: width - 1] + "…" for line in lines]
