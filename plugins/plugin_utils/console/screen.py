"""The terminal of our callback: permanent lines above, one progress line at the bottom.

Runs on the control node only, inside the process that runs Ansible. That process forks a worker for each task and has
threads; all writing is done under the lock that Ansible itself takes around writes and forks, so that no worker is
born while the lock is held and no two lines mix.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import sys
import textwrap
import threading
from typing import TYPE_CHECKING, Any

from ansible.utils import color
from ansible.utils.color import stringc

from ...module_utils.common.secrets import KNOWN
from ..text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ansible.utils.display import Display

# Seconds between two redraws when nothing happens, so that a long step is seen to be alive.
TICK_SECONDS = 1.0
# Prose is wrapped at the terminal's width, but never wider than this: longer lines are hard to read.
PROSE_COLUMNS = 110
WIPE = "\r\x1b[K"
# What Ansible itself colours its lines with
COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")

Part = tuple[str, str | None]


class Screen:
    """Writes lines through Ansible's display and keeps one progress line below them.

    Anything that Ansible writes itself meanwhile (warnings, errors) goes above the progress line too.
    """

    def __init__(self, display: Display, *, live: bool) -> None:
        """Take Ansible's display; `live` says whether there is a terminal to draw a progress line on."""
        self.live = live
        self.unicode = can_show("━─…", sys.stdout.encoding)
        self._display = display
        self._write: Callable[..., None] = display.display
        self._lock: Any = getattr(display, "_lock", None) or threading.RLock()
        self._paint: Callable[[int], Iterable[Part]] | None = None
        self._drawn = False
        self._written = False
        self._space = False
        self._pid = os.getpid()
        self._stop: threading.Event | None = None

    def open(self) -> None:
        """Let everything that is written be words only; on a terminal, begin to keep a progress line."""
        self._display.display = self._above
        if not self.live or self._stop is not None:
            return
        self._stop = threading.Event()
        threading.Thread(target=self._tick, args=(self._stop,), daemon=True, name="samestack-progress").start()
        atexit.register(self.close)

    def close(self) -> None:
        """Take the progress line away for good."""
        if self._stop is None or os.getpid() != self._pid:
            return
        self._stop.set()
        self._stop = None
        with self._lock:
            self._paint = None
            self._wipe()
            self._flush()

    def progress(self, paint: Callable[[int], Iterable[Part]] | None) -> None:
        """Draw the progress line from now on with `paint(columns)`, given the terminal's width; None hides it."""
        if self._stop is None:
            return
        with self._lock:
            self._paint = paint
            if paint is None:
                self._wipe()
            self._draw()

    def line(self, *parts: Part, stderr: bool = False) -> None:
        """Write one permanent line of (text, colour) parts; Ansible's log file gets it without colours."""
        self.painted(*((printable(text), colour) for text, colour in parts), stderr=stderr)

    def painted(self, *parts: Part, stderr: bool = False) -> None:
        """Write one permanent line of parts that are known to hold nothing but words, and colours of ours."""
        if self._space:
            self._space = False
            self._display.display("", stderr=stderr)
        self._written = True
        coloured = "".join(stringc(text, colour) if colour and text else text for text, colour in parts)
        self._display.display(coloured, stderr=stderr, screen_only=True)
        self._display.display("".join(text for text, _ in parts), log_only=True)
        self._flush()

    def space(self) -> None:
        """Put one blank line before the next line, unless there is nothing above it yet."""
        self._space = self._written

    def prose(self, head: str, lines: Iterable[str], *, stderr: bool = False) -> None:
        """Write `lines` after the words `head`, those that follow indented below it; wrapped on a terminal only."""
        indent = " " * len(head)
        columns = min(self.columns - 1, PROSE_COLUMNS)
        for line in lines:
            # Code and tracebacks keep their lines: only text that starts at the margin is prose.
            pieces = [line]
            if self.live and not line.startswith((" ", "\t")):
                room = max(20, columns - len(head))
                pieces = textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False) or [""]
            for piece in pieces:
                self.line((head + piece, None), stderr=stderr)
                head = indent

    @property
    def columns(self) -> int:
        """The terminal's width now; 80 where it cannot be known."""
        return max(20, shutil.get_terminal_size((80, 24)).columns)

    def _above(self, msg: str, *args: object, **kwargs: object) -> None:
        """Stand in for the display's own method: what is written is words; the progress line goes, and comes back."""
        msg = words(msg)
        if os.getpid() != self._pid or kwargs.get("log_only"):
            self._write(msg, *args, **kwargs)
            return
        with self._lock:
            self._wipe()
            self._flush()
            self._write(msg, *args, **kwargs)
            if kwargs.get("newline") is False:
                # Somebody asks a question: the rest of the line is theirs.
                self._paint = None
            self._draw()

    def _draw(self) -> None:
        if self._paint is None:
            return
        text = "".join(stringc(text, colour) if colour and text else text for text, colour in self._paint(self.columns))
        sys.stdout.write(WIPE + text)
        self._flush()
        self._drawn = True

    def _wipe(self) -> None:
        if self._drawn:
            sys.stdout.write(WIPE)
            self._drawn = False

    def _flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()

    def _tick(self, stop: threading.Event) -> None:
        """Redraw until `stop`; a terminal that went away ends it quietly."""
        with contextlib.suppress(Exception):
            while not stop.wait(TICK_SECONDS):
                with self._lock:
                    if not stop.is_set():
                        self._draw()


def words(text: str) -> str:
    """Return a text without known secrets and without what a terminal obeys, but Ansible's colours where it has any."""
    text = KNOWN.masked(text)
    if not color.ANSIBLE_COLOR:
        return printable(text)
    return "".join(part if COLOUR.fullmatch(part) else printable(part) for part in COLOUR.split(text))


def is_terminal() -> bool:
    """Whether stdout is a terminal that can move its cursor."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")


def can_show(letters: str, encoding: str | None) -> bool:
    """Whether `letters` exist in `encoding`."""
    try:
        letters.encode(encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True
