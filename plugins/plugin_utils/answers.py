"""What a host may answer: a shape for each thing that the control node stores, compares or prints. Runs there. Pure.

Root on a host decides what a module says. Nothing of it becomes a file's name, an argument or a line of a page before
it has one of these shapes. Ours, because what we depend on already has none: ansible-core's argument specs know neither
lengths nor characters and turn what is wrong into what is right, and jsonschema would bring four packages, one of them
compiled, and a tenth of a second to each run, for what is a screen of code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import SamestackError
from .text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

LETTERS_SHOWN = 60


class AnswerError(SamestackError):
    """A host said something that it cannot have meant; the text names the host, the place in the answer, and what."""

    def __init__(self, host: str, wrong: ShapeError) -> None:
        """Take the host's name and what is wrong."""
        super().__init__(
            f"{one_line(host)} gave an answer that is none: {wrong}. Nothing of it was kept.",
            "Somebody may have got into that host, or another version of this code provisioned it: look at it, "
            "provision it with this clone, then run the same command again.",
        )


class ShapeError(ValueError):
    """A value has not its shape; the text says where and what, in printable words."""


@dataclass(frozen=True)
class Shape:
    """Anything at all."""

    def check(self, value: Any, path: str = "") -> None:
        """Raise ShapeError where a value at a place of the answer is another one."""


def wrong(path: str, what: str, value: Any = None) -> ShapeError:
    """Return the error about a place."""
    shown = "" if value is None else f" {one_line(repr(value), LETTERS_SHOWN)}"
    return ShapeError(f"{one_line(path, LETTERS_SHOWN) or 'it'}{shown} {what}")


@dataclass(frozen=True)
class Text(Shape):
    """A text of at most so many letters that a pattern describes; None takes any letters."""

    longest: int = 4096
    pattern: str | None = None

    def check(self, value: Any, path: str = "") -> None:
        """Raise ShapeError for another value."""
        if not isinstance(value, str):
            raise wrong(path, "is no text", value)
        if len(value) > self.longest:
            raise wrong(path, f"has {len(value)} letters, at most {self.longest} are possible")
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            raise wrong(path, "is not what stands there", value)


@dataclass(frozen=True)
class Number(Shape):
    """A number between two others."""

    low: float = 0
    high: float = 2.0**63

    def check(self, value: Any, path: str = "") -> None:
        """Raise ShapeError for another value, which "not a number" is, too."""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            raise wrong(path, "is no number that can stand there", value)


@dataclass(frozen=True)
class Boolean(Shape):
    """Yes or no."""

    def check(self, value: Any, path: str = "") -> None:
        """Raise ShapeError for another value."""
        if not isinstance(value, bool):
            raise wrong(path, "is neither true nor false", value)


@dataclass(frozen=True)
class Nothing(Shape):
    """Null."""

    def check(self, value: Any, path: str = "") -> None:
        """Raise ShapeError for another value."""
        if value is not None:
            raise wrong(path, "is not null", value)


@dataclass(frozen=True)
class OneOf(Shape):
    """One of several shapes."""

    shapes: tuple[Shape, ...]

    def check(self, value: Any, path: str = "") -> None:
        """Raise ShapeError for a value of none; the last shape says what is wrong."""
        for shape in self.shapes[:-1]:
            try:
                return shape.check(value, path)
            except ShapeError:
                continue
        return self.shapes[-1].check(value, path)


@dataclass(frozen=True)
class Each(Shape):
    """A list of at most so many, each of one shape."""

    shape: Shape
    most: int = 10_000

    def check(self, value: Any, path: str = "") -> None:
        """Raise ShapeError for another value."""
        if not isinstance(value, (list, tuple)):
            raise wrong(path, "is no list", value)
        if len(value) > self.most:
            raise wrong(path, f"has {len(value)} entries, at most {self.most} are possible")
        for number, item in enumerate(value):
            self.shape.check(item, f"{path}[{number}]")


@dataclass(frozen=True)
class Names(Shape):
    """A mapping of at most so many names of one shape, to values of another."""

    name: Shape
    shape: Shape
    most: int = 10_000

    def check(self, value: Any, path: str = "") -> None:
        """Raise ShapeError for another value."""
        if not isinstance(value, dict):
            raise wrong(path, "is no mapping", value)
        if len(value) > self.most:
            raise wrong(path, f"has {len(value)} entries, at most {self.most} are possible")
        for name, item in value.items():
            self.name.check(name, f"a name in {path}")
            self.shape.check(item, f"{path}.{name}")


@dataclass(frozen=True)
class Record(Shape):
    """A mapping with certain names; those of `may` can be left out, others are of no interest and may be `others`."""

    must: Mapping[str, Shape]
    may: Mapping[str, Shape] = field(default_factory=dict)
    others: Shape | None = None

    def check(self, value: Any, path: str = "") -> None:
        """Raise ShapeError for another value."""
        if not isinstance(value, dict):
            raise wrong(path, "is no mapping", value)
        for name, shape in self.must.items():
            if name not in value:
                raise wrong(f"{path}.{name}".lstrip("."), "is missing")
            shape.check(value[name], f"{path}.{name}".lstrip("."))
        for name, shape in self.may.items():
            if value.get(name) is not None:
                shape.check(value[name], f"{path}.{name}".lstrip("."))
        if self.others is not None:
            for name in value.keys() - {*self.must, *self.may}:
                self.others.check({name: value[name]}, path)


def plain(value: Any, room: int = 2_000_000, depth: int = 12) -> int:
    """Return how many values there are in one that JSON knows; raises ShapeError for too many, or too deep ones."""
    if depth < 0:
        raise ShapeError("its lists and mappings are nested too deeply")
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    number = 1
    for item in inside:
        number += plain(item, room - number, depth - 1)
        if number > room:
            raise ShapeError("it has too many values")
    return number
