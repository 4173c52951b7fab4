"""How hosts are, on one screen. Pure; the control node uses it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...module_utils.watch.spans import span
from ..text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WELL, DEGRADED, DOWN, UNKNOWN = "well", "degraded", "down", "unknown"
#: What `samestack status` leaves with
CODES = {WELL: 0, DEGRADED: 1, DOWN: 2, UNKNOWN: 2}
#: What a line says of a section, and its colour in a terminal
MARKS = {"": ("ok", "32"), "note": ("note", "36"), "yellow": ("YELLOW", "33"), "red": ("RED", "31")}
COLOURS = {WELL: "32", DEGRADED: "33", DOWN: "31", UNKNOWN: "31"}
#: Without these sections a visitor is not served.
SERVES = ("site", "visitor")
#: What is so for less than this was so a moment ago (seconds)
JUST = 60


@dataclass(frozen=True)
class Host:
    """One host, and what it said; or why it did not."""

    name: str
    answer: Mapping[str, Any] = field(default_factory=dict)
    trouble: str = ""
    #: What mends that it did not
    mend: str = ""
    #: That it did not is as it may be
    absent: bool = False

    @property
    def sections(self) -> Sequence[Mapping[str, Any]]:
        """What it has found."""
        found: Sequence[Mapping[str, Any]] = self.answer.get("sections", ())
        return found

    @property
    def state(self) -> str:
        """How it is, in one word."""
        if self.trouble:
            return WELL if self.absent else UNKNOWN
        found = [(part["name"], one["level"]) for part in self.sections for one in part["findings"]]
        if any(level == "red" and name in SERVES for name, level in found):
            return DOWN
        return DEGRADED if {"red", "yellow"} & {level for _, level in found} else WELL


@dataclass(frozen=True)
class Environment:
    """One environment and its hosts."""

    #: As a verb takes it
    name: str
    hosts: Sequence[Host] = ()

    @property
    def state(self) -> str:
        """How it is, in one word: that of its worst host."""
        states = {host.state for host in self.hosts}
        return next((one for one in (UNKNOWN, DOWN, DEGRADED) if one in states), WELL)


def worst(environments: Sequence[Environment]) -> str:
    """Return how all of them are, in one word."""
    return Environment("", [host for one in environments for host in one.hosts]).state


def as_data(environments: Sequence[Environment]) -> dict[str, Any]:
    """Return everything, for programs."""
    return {
        "state": worst(environments),
        "environments": {
            one.name: {
                "state": one.state,
                "hosts": {
                    host.name: {"state": host.state, "trouble": host.trouble, "mend": host.mend, **host.answer}
                    for host in one.hosts
                },
            }
            for one in environments
        },
    }


@dataclass(frozen=True)
class Screen:
    """How it is shown."""

    colour: bool = False
    #: A line for each section, also where all is well
    whole: bool = True

    def lines(self, environments: Sequence[Environment]) -> Iterator[str]:
        """Yield the lines that people read."""
        names = [host.name for one in environments for host in one.hosts]
        width = max((len(one_line(name, 40)) for name in names), default=0)
        for number, one in enumerate(environments):
            if number:
                yield ""
            state = one.state if one.hosts else "no machine"
            yield f"{one.name}: {self.painted(state, COLOURS[one.state])}"
            for host in one.hosts:
                head = one_line(host.name, 40).ljust(width)
                for name, mark, text in self.rows(host):
                    word, colour = MARKS[mark]
                    yield f"  {head}  {name:<11}  {self.painted(f'{word:<6}', colour)}  {text}".rstrip()

    def rows(self, host: Host) -> Iterator[tuple[str, str, str]]:
        """Yield section, level and text of each line about a host."""
        if host.trouble:
            yield "host", "note" if host.absent else "red", mended(one_line(host.trouble), host.mend)
            return
        well = []
        for part in host.sections:
            if not part["findings"]:
                if self.whole:
                    yield part["name"], "", one_line(part["words"])
                well.append(part["name"])
            for one in part["findings"]:
                lasts = host.answer["time"] - one["since"] if one["since"] else 0
                since = f" (for {span(lasts)})" if lasts >= JUST else ""
                yield part["name"], one["level"], mended(one_line(one["text"]) + since, one["mend"])
        if not self.whole and well:
            words = {part["name"]: part["words"] for part in host.sections}
            first = next((one_line(words[name]) for name in ("release", "backup") if name in well), "")
            yield "the rest" if len(well) < len(host.sections) else "all", "", first or ", ".join(well)

    def painted(self, text: str, colour: str) -> str:
        """Return a text in a colour."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour else text


def mended(text: str, mend: str) -> str:
    """Return a line that ends with what mends it."""
    return f"{text}; mend: {one_line(mend)}" if mend else text
