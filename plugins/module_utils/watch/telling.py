"""When people are told, and what. Pure: one notice when something turns red, one when all is well again.

An alarm waits until what is wrong has been there for a while (`watch_patience`): what mends itself wakes nobody.
What turns red in a section that people know to be red is part of the same story, and so is what follows from it: a site
that does not answer, processes that do not stay up, exceptions while the database is away. Anything else is another
story, and of exceptions each is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .check import ANYTHING, NEEDED, RED
from .spans import moment, span

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from .memory import Memory

#: Lines of a log in a notice, letters of one, and of all of a notice
LINES, LETTERS, LONGEST = 8, 300, 6000
FAILURE, SUCCESS = "failure", "success"


@dataclass(frozen=True)
class Notice:
    """What people are told."""

    kind: str
    title: str
    body: str
    #: What they know then: sections (and the key of what is apart) and since when
    told: dict[str, float]


def remember(memory: Memory, sections: Sequence[Mapping[str, Any]], now: float) -> None:
    """Keep since when each finding is there."""
    found = {f"{part['name']} {one['key']}" for part in sections for one in part["findings"]}
    memory.since = {name: min(memory.since.get(name, now), now) for name in sorted(found)}


def alarms(sections: Sequence[Mapping[str, Any]], quiet: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the red findings of which people are told from here, by section and key.

    What follows from something that another host tells of is part of its story.
    """
    elsewhere = any(one["level"] == RED and one["elsewhere"] for part in sections for one in part["findings"])
    # What the application fails with explains nothing else.
    causes = [part for part in sections if part["follows"] != NEEDED]
    follows = {
        "": set[str](),
        ANYTHING: {part["name"] for part in causes},
        NEEDED: {part["name"] for part in causes if part["worked_on"]},
    }
    return {
        (name := f"{part['name']} {one['key']}"): {
            **one,
            "section": part["name"],
            "follows": follows[part["follows"]],
            "story": name if part["apart"] else part["name"],
        }
        for part in sections
        if part["name"] not in quiet and not (elsewhere and part["follows"])
        for one in part["findings"]
        if one["level"] == RED and one["tells"]
    }


def decide(
    memory: Memory, red: Mapping[str, Mapping[str, Any]], now: float, patience: float, held: str
) -> tuple[list[str], bool]:
    """Return the alarms that people shall know of now, and whether they shall know that all is well again.

    `memory` learns since when what is there; `held` is why nobody is told anything now.
    """
    if held:
        memory.ripe, memory.well = {}, 0
        return [], False
    memory.ripe = {name: min(memory.ripe.get(name, now), now) for name in red}
    if red:
        memory.well = 0
        # Of what is a story of its own nobody needs to know when it was over.
        memory.told = {story: since for story, since in memory.told.items() if " " not in story or story in red}
        due = [name for name, since in memory.ripe.items() if now - since >= patience]
        known = {story.split(" ")[0] for story in memory.told}
        new = [name for name in due if red[name]["story"] not in memory.told]
        if all(known.intersection(red[name]["follows"]) for name in new):
            # People know of something that is wrong, and this is how it shows.
            memory.told |= {red[name]["story"]: now for name in new}
            return [], False
        # What is a story of its own is told once.
        return [*new, *(name for name in red if name not in new and name not in memory.told)], False
    memory.well = min(memory.well or now, now)
    # What could not be sent in time is told with it.
    return [], bool(memory.told or memory.unsent) and now - memory.well >= patience


@dataclass(frozen=True)
class Teller:
    """Who tells, about which host, when, and how the last lines of a unit's log are got: without secrets."""

    #: `app`, `environment`, `host`; `where`, as a verb takes the environment
    about: Mapping[str, str]
    now: float
    log: Callable[[str], str]

    def alarm(self, names: Sequence[str], red: Mapping[str, Mapping[str, Any]], known: Mapping[str, float]) -> Notice:
        """Return the notice of what is wrong: what, since when, what to do, and the last lines of its log.

        Args:
            names: the alarms, by section and key.
            red: what each is.
            known: what people know already: sections, and since when.
        """
        parts, units = [], set()
        told = dict(known)
        for name in names:
            one = red[name]
            since = one["since"] or self.now
            told.setdefault(one["story"], since)
            lines = [f"{one['section']}: {one['text']}", f"  since {moment(since)} ({span(self.now - since)})"]
            if one["mend"]:
                lines.append(f"  mend: {one['mend']}")
            lines += [f"  | {line}" for line in one["lines"].splitlines()]
            if one["unit"] and one["unit"] not in units:
                units.add(one["unit"])
                lines += [f"  | {line}" for line in self.log(one["unit"]).splitlines()]
            parts.append("\n".join(lines))
        more = f", and {len(names) - 1} more" if len(names) > 1 else ""
        body = "\n\n".join(parts)[:LONGEST]
        end = f"All of it: ./samestack status {self.about['where']}"
        return Notice(FAILURE, one_line(f"{self.whose}: {red[names[0]]['text']}{more}"), f"{body}\n\n{end}", told)

    def clear(self, known: Mapping[str, float]) -> Notice:
        """Return the notice that all is well again."""
        began = min(known.values(), default=self.now)
        sections = dict.fromkeys(story.split(" ")[0] for story in known)
        body = f"{', '.join(sections)}: well again after {span(self.now - began)} (since {moment(began)})."
        return Notice(SUCCESS, f"{self.whose}: all is well again", body, {})

    @property
    def whose(self) -> str:
        """How a notice begins."""
        return f"{self.about['app']}, {self.about['environment']}, {self.about['host']}"


def harmless(text: str) -> str:
    """Return the last lines of a log that say something, without what a terminal or a reader obeys."""
    lines = [one_line(line, LETTERS) for line in text.splitlines()]
    return "\n".join([line for line in lines if line][-LINES:])


def one_line(text: str, letters: int = 200) -> str:
    """Return a text as one line of at most so many letters that can all be seen."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[: 8 * letters])
    line = " ".join(line.split())
    return line if len(line) <= letters else line[: letters - 1] + "…"
