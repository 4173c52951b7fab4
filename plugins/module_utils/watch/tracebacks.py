"""Tracebacks in what processes write, and what tells one from another. Pure.

Two are the same if the same kind of exception comes out of the same line of the application's own code, wherever in its
file that line is: another release has other line numbers.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ..common.text import CHAINED, FOREIGN, FRAME, PASSED_ON, START

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Lines of one that are kept, letters of a line, and lines after its exception among which another may follow from it.
#: Frames of a page's templates are a hundred lines after the application's own.
LONGEST, LETTERS, BETWEEN = 400, 500, 12
#: Letters of a line that journald has cut: it goes on in the next (LineMax=)
CUT = 40_000
#: What Python writes before the lines of a group of exceptions
#: The rest of a text in JSON
QUOTED = re.compile(r'(?:[^"\\]|\\.)*')
GROUP = re.compile(r"^ +[|+] ?(?:[+-]+.*)?")
EXCEPTION = re.compile(r"[A-Za-z_][\w.]*")
#: Where a release's own files lie, and packages
OWN, PACKAGES = re.compile(r"^.*/releases/[^/]+/(?:source/|app/)?"), re.compile(r"^.*/(?:site|dist)-packages/")
#: How a process ends that was asked to
ENDS = ("SystemExit", "KeyboardInterrupt", "CancelledError", "GeneratorExit")


class Entry(NamedTuple):
    """One line in the journal."""

    #: Seconds since 1970
    time: float
    unit: str
    process: str
    text: str


@dataclass
class Traceback:
    """What one exception has written, with those that it followed from."""

    unit: str
    #: When the exception itself was written, which is last
    time: float = 0
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LONGEST))
    #: Lines since the exception itself; 0 before it
    after: int = 0
    #: The next one follows from this one
    chained: bool = False
    #: The next line is the rest of the last
    cut: bool = False

    def add(self, line: str, time: float) -> bool:
        """Take a line; returns whether more may follow."""
        goes_on, self.cut = self.cut and self.after > 0, len(line) > CUT
        if goes_on:
            return True
        self.lines.append(line[:LETTERS])
        if line.strip() in CHAINED:
            self.chained, self.after = True, 0
        elif START in line:
            self.chained, self.after = False, 0
        elif self.after or (line.strip() and not line.startswith(" ")):
            self.time = self.time if self.after else time
            self.after += 1
        return self.after < BETWEEN

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join([START, *self.lines])


def found(entries: Iterable[Entry]) -> Iterator[Traceback]:
    """Yield the tracebacks in what several processes wrote at the same time; one that is not whole is none."""
    open_ones: dict[tuple[str, str], Traceback] = {}
    for entry in entries:
        key = (entry.unit, entry.process)
        for line in lines_of(entry.text):
            one = open_ones.get(key)
            # Those of a group are indented.
            follows = one and (one.chained or line.startswith(" "))
            if START in line and not follows:
                if one and one.after:
                    yield one
                open_ones[key] = Traceback(entry.unit)
            elif one and not one.add(GROUP.sub("", line) if line.startswith(" ") else line, entry.time):
                yield open_ones.pop(key)
    yield from (one for one in open_ones.values() if one.after)


def lines_of(text: str) -> list[str]:
    """Return the lines of a message; in one of JSON, as programs write it for other programs, they are quoted."""
    begins = text.find(START)
    if begins < 0 or "\\n" not in text[begins:]:
        return text.splitlines()
    quoted = QUOTED.match(text, begins)
    if quoted and '\\"' in quoted[0]:
        with contextlib.suppress(ValueError):
            return str(json.loads(f'"{quoted[0]}"', strict=False)).splitlines()
    return text.replace("\\n", "\n").splitlines()


class Kind(NamedTuple):
    """What tells a traceback from others."""

    exception: str
    #: A file, without the folder of its release, and a function in it
    place: str
    source: str

    @property
    def fingerprint(self) -> str:
        """By which it is known again."""
        return hashlib.sha256("\0".join(self).encode(errors="replace")).hexdigest()[:12]

    @property
    def is_ending(self) -> bool:
        """Whether it is how a process ends that was asked to."""
        return self.exception.rsplit(".", 1)[-1] in ENDS


def kind_of(traceback: Traceback) -> Kind:
    """Return of which kind one is: its last exception, and the innermost frame of the application's own code."""
    part: list[str] = []
    frames: list[tuple[str, str, str]] = []
    exception = ""
    for line in traceback.lines:
        if START in line:
            part, exception = [], ""
        elif not exception and line.strip() and not line.startswith(" "):
            named = EXCEPTION.match(line)
            exception = named[0] if named else "an exception"
            frames = frames_of(part)
        part.append(line)
    own = [
        frame
        for frame in frames
        if not any(mark in frame[0] for mark in FOREIGN)
        and PASSED_ON not in frame[2]
        and not frame[0].endswith("/manage.py")
    ]
    file, function, source = (own or frames or [("", "", "")])[-1]
    place = PACKAGES.sub("", OWN.sub("", file))
    return Kind(exception, ", ".join(part for part in (place, function) if part), source)


def frames_of(lines: list[str]) -> list[tuple[str, str, str]]:
    """Return file, function and line of source of each frame."""
    frames = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        match = FRAME.match(line)
        if match:
            source = following.strip() if following.startswith("    ") else ""
            frames.append((match["file"], match["name"] or "", source))
    return frames
