"""Makes what programs print short enough to read: an application's own traceback, the last lines of a tool."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .secrets import KNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)(, in (?P<name>.+))?$')
START = "Traceback (most recent call last):"
# What Python writes between two exceptions of which one led to the other
CHAINED = (
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
)
# What an exception ends before where no empty line does, as in a journal; Django's words for a request that failed
NEXT = ("[", "Traceback", "Internal Server Error: ", *CHAINED)
# What a middleware calls to have a request answered by whatever comes after it
PASSED_ON = "get_response("
# What systemd and servers say about themselves
ROUTINE = re.compile(
    r"\[INFO\]|\.service: |^(Starting|Started|Stopping|Stopped|Failed to start|Scheduled) "
    r"|^\[[^]]+\] \[\d+\] \[ERROR\] (Worker|Reason|Shutting)"
)
# Frames that are not the application's: packages, Python itself, our own wrapper
FOREIGN = ("/site-packages/", "/lib/python3", "/venv/bin/", "<frozen", "<stdin>", "<string>", "/samestack/python/")
OWN_FRAMES = 3
#: What is said of a variable that is not set, by os.environ (in its own frame, or in a line that asks it: other
#: dictionaries lack keys in capitals, too), django-environ, decouple, environs and others of their kind
MISSING = (
    r"(?:[</ ]os(?:>|\.py)\", line \d+, in __getitem__|environ\b.*)\n(?:.*\n){0,3}?KeyError: '([A-Za-z_]\w*)'",
    r"Set the ([A-Za-z_]\w*) environment variable",
    r"UndefinedValueError: ([A-Za-z_]\w*) not found",
    r"(?:[Ee]nvironment variable|Configuration|Config) [\"']([A-Za-z_]\w*)[\"'] (?:is )?(?:not set|not found|missing)",
    r"set as the environment variable '([A-Za-z_]\w*)'",
)
NOTHING_WRITTEN = "It wrote nothing about it to its journal."


@dataclass(frozen=True)
class Part:
    """One traceback of a chain: the application's own frames (`own`: those that do more than hand a request on)."""

    own: list[str]
    passing: list[str]
    last: list[str]
    exception: list[str]


def short_traceback(output: str, prefix: str = "") -> str:
    """Return the last traceback in a text with the application's own frames only, "" when there is none.

    An exception that was raised while another one was handled is told with that one. What has such frames is preferred
    to what a server says of itself when its processes have fallen over, and what happened to what a middleware has
    handed on. `prefix` is a folder that is cut off the file names. What is left is at most three frames with their
    source line, each with the exception that it led to, and last the one that came out, as Python prints it. Known
    secrets are masked before anything is cut.
    """
    chains = _chains(KNOWN.masked_end(output), prefix)
    for frames in ("own", "passing", "last"):
        for chain in reversed(chains):
            if any(getattr(part, frames) for part in chain):
                return _told(chain, frames)
    return "\n".join(chains[-1][-1].exception) if chains else ""


def _chains(output: str, prefix: str) -> list[list[Part]]:
    """Return the tracebacks of a text, those together of which each was raised while the one before was handled.

    The last one may still be on its way into the journal. Without its exception it tells less than what came before.
    """
    chains: list[list[Part]] = []
    chained = False
    for text in output.split(START)[1:]:
        part = _part(text.splitlines()[1:], prefix)
        if chains and not part.exception:
            continue
        if chained:
            chains[-1].append(part)
        else:
            chains.append([part])
        chained = any(line in text for line in CHAINED)
    return chains


def _told(chain: Sequence[Part], frames: str) -> str:
    """Return what is told of a chain, by the frames of one kind."""
    left, told = OWN_FRAMES, list[str]()
    for part in reversed(chain):
        # The page for errors fails with the same words, once for each middleware that it comes by.
        if frames != "own" and told and part.exception == told[-len(part.exception) :]:
            continue
        shown = getattr(part, frames)[-left:] if left else []
        left -= len(shown)
        if shown or part is chain[-1]:
            told = [*shown, *part.exception, *told]
    return "\n".join(told)


def _part(lines: list[str], prefix: str) -> Part:
    """Return what matters of a traceback, given without its first line."""
    frames: list[tuple[str, str, str]] = []
    end = len(lines)
    for index, line in enumerate(lines):
        if line and not line.startswith(" "):
            end = index
            break
        match = FRAME.match(line)
        if match:
            source = lines[index + 1].strip() if index + 1 < len(lines) and lines[index + 1].startswith("    ") else ""
            frames.append((match["file"], match["line"], source if not FRAME.match(source) else ""))

    def words(found: Sequence[tuple[str, str, str]]) -> list[str]:
        cut = [(file[len(prefix) :].lstrip("/") if prefix and file.startswith(prefix) else file, number, source)
               for file, number, source in found]  # fmt: skip
        return [f"  {file}:{number}: {source}".rstrip(": ") for file, number, source in cut]

    mine = [frame for frame in frames if not any(mark in frame[0] for mark in FOREIGN)]
    # Every traceback of a command begins in manage.py; only one that ends there is about it.
    inner = [frame for frame in mine if frame[0].rsplit("/", 1)[-1] != "manage.py"]
    own = [frame for frame in inner if PASSED_ON not in frame[2]]
    return Part(words(own), words(inner), words((mine or frames)[-1:]), _exception(lines[end:]))


def _exception(lines: list[str]) -> list[str]:
    """Return the exception's own lines: up to an empty one or the next log line, six at most."""
    kept: list[str] = []
    for line in lines[:6]:
        if kept and (not line.strip() or line.startswith(NEXT) or line.strip() in kept[0]):
            break
        kept.append(line[:400])
    return kept


def last_lines(output: str, count: int = 10) -> str:
    """Return the last lines that say something, known secrets masked."""
    output = KNOWN.masked_end(output)
    return "\n".join([line[:400] for line in output.strip().splitlines() if line.strip()][-count:])


def excerpt(output: str, prefix: str = "", count: int = 10) -> str:
    """Return the application's own traceback if there is one, else the last lines."""
    return short_traceback(output, prefix) or last_lines(output, count)


def journal_excerpt(output: str, prefix: str = "") -> str:
    """Return what a unit's journal says about its failure, without what servers and systemd say about themselves."""
    telling = [line for line in output.splitlines() if not ROUTINE.search(line)]
    return excerpt("\n".join(telling), prefix) or NOTHING_WRITTEN


def missing_name(text: str) -> str:
    """Return the environment variable that an exception says is missing, "" when it names none."""
    for pattern in MISSING:
        found = re.search(pattern, text)
        if found:
            return found[1]
    found = re.search(r"validation errors? for \w+\n(\w+)\n +Field required", text)
    return found[1].upper() if found else ""


def few(names: Sequence[str], most: int = 8) -> str:
    """Return names in a row; of many, how many there are and the last ones."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{len(names)} ({', '.join(names[:2])} … {names[-1]})"
