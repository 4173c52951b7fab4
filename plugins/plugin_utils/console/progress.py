"""The progress line of our callback: what the last run took, what is left, and how that is drawn.

Runs on the control node only, inside the process that runs Ansible. Nothing here writes to a terminal, so that all of
it can be tested without one.
"""

from __future__ import annotations

import json
import os
import tempfile
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# How many steps one timing file may hold, and how many files are kept: the folder stays under about 2 MB.
MAX_STEPS = 500
MAX_FILES = 50
# Seconds of agreement that a forecast starts with, so that the first quick step does not swing it.
PRIOR_SECONDS = 3.0
# A run may be this much faster or slower than the last one before the forecast stops following it.
MIN_PACE, MAX_PACE = 0.05, 5.0
# Below this many seconds a tenth is worth showing; above it, a time left is rounded to fives, which is calmer.
TENTHS_BELOW = 9.95
FIVES_ABOVE = 15
MINUTE, HOUR = 60, 3600
# Widths in columns: the narrowest line that still gets a bar, and the bar's own limits.
BAR_MIN_LINE, BAR_MIN, BAR_MAX = 60, 12, 28


def duration(seconds: float) -> str:
    """Return a length of time in words: `0.4 s`, `12 s`, `1 min 5 s`, `1 h 2 min`.

    Args:
        seconds: the length of time in seconds; below zero counts as zero.
    """
    seconds = max(0.0, seconds)
    if seconds < TENTHS_BELOW:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"


def whole_seconds(seconds: float) -> str:
    """Return `duration` without tenths, for a figure that is redrawn: `4 s`, `1 min 5 s`."""
    return duration(int(seconds)).replace(".0 s", " s")


def time_left(seconds: float) -> str:
    """Return a forecast in words, rounded so that it does not flicker: `about 25 s left`."""
    whole = max(1, round(seconds))
    if whole > FIVES_ABOVE:
        whole = -(-whole // 5) * 5
    return f"about {whole_seconds(whole)} left"


class Forecast:
    """How far a run is, judged by the steps that the last complete run of the same kind had.

    A step is recognised by its name, in order: steps that this run leaves out are passed over, steps that are new are
    counted on top. The time left is what the remaining steps took last time, times the pace of this run so far.
    """

    def __init__(self, previous: Sequence[tuple[str, float]] = ()) -> None:
        """Start a run; `previous` holds (name, seconds) of each step of the last complete run, in order."""
        self.previous = list(previous)
        self.steps: list[tuple[str, float]] = []
        self.done = 0
        self._at = 0
        self._current: str | None = None
        self._expected = 0.0
        self._expected_done = 0.0
        self._actual_done = 0.0

    @property
    def known(self) -> bool:
        """Whether there is a last run to judge by."""
        return bool(self.previous)

    @property
    def total(self) -> int:
        """How many steps this run will probably have, the ones it had so far included."""
        return self.done + (self._current is not None) + len(self.previous) - self._at

    def start(self, name: str) -> None:
        """Say that the step `name` begins."""
        self._current, self._expected = name, 0.0
        for index in range(self._at, len(self.previous)):
            if self.previous[index][0] == name:
                self._at, self._expected = index + 1, self.previous[index][1]
                break

    def finish(self, seconds: float) -> None:
        """Say that the step in hand ended after `seconds`. Does nothing when there is none."""
        if self._current is None:
            return
        self.steps.append((self._current, seconds))
        self.done += 1
        self._expected_done += self._expected
        # A step that is new says nothing about the pace.
        self._actual_done += seconds if self._expected else 0.0
        self._current, self._expected = None, 0.0

    def left(self, elapsed: float) -> float:
        """Return the seconds that are probably left, `elapsed` seconds into the step in hand."""
        pace = (self._actual_done + PRIOR_SECONDS) / (self._expected_done + PRIOR_SECONDS)
        pace = min(MAX_PACE, max(MIN_PACE, pace))
        rest = sum(seconds for _, seconds in self.previous[self._at :])
        return rest * pace + max(0.0, self._expected * pace - elapsed)


def load_timings(file: Path) -> list[tuple[str, float]]:
    """Return the steps of the last complete run as (name, seconds); an unreadable file counts as none."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return [(str(name), float(seconds)) for name, seconds in found["steps"]][:MAX_STEPS]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def save_timings(file: Path, steps: Sequence[tuple[str, float]]) -> None:
    """Keep the steps of a complete run, whole or not at all, and drop the oldest files beyond `MAX_FILES`.

    Raises:
        OSError: the folder cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    rounded = [[name, round(seconds, 2)] for name, seconds in steps[:MAX_STEPS]]
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".new-")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump({"version": 1, "steps": rounded}, stream)
    file.parent.joinpath(name).replace(file)
    kept = sorted(file.parent.glob("*.json"), key=lambda entry: entry.stat().st_mtime, reverse=True)
    for old in kept[MAX_FILES:]:
        old.unlink(missing_ok=True)


def text_width(text: str) -> int:
    """Return how many columns `text` takes on a terminal: wide letters two, combining marks none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) != 0 for letter in text)


def shorten(text: str, columns: int, ellipsis: str = "…") -> str:
    """Return `text` cut to `columns` columns, with an ellipsis where something was left out."""
    if text_width(text) <= columns:
        return text
    room = columns - len(ellipsis)
    kept: list[str] = []
    for letter in text:
        room -= text_width(letter)
        if room < 0:
            break
        kept.append(letter)
    return ("".join(kept).rstrip() + ellipsis) if columns > len(ellipsis) else ""


def progress_line(
    forecast: Forecast, step: str, columns: int, clock: tuple[float, float], *, unicode: bool = True
) -> tuple[str, str, str]:
    """Return the progress line as three pieces: the filled part of the bar, the rest of the bar, the words.

    Without a last run to judge by there is no bar: only the number of the step and the time so far.

    Args:
        forecast: how far the run is.
        step: the step in hand, in words.
        columns: the terminal's width; the line stays one column below it, so that it never wraps.
        clock: seconds since the step in hand began, and since the run began.
        unicode: whether the terminal can show more than ASCII.
    """
    elapsed, running = clock
    room = columns - 1
    ellipsis = "…" if unicode else "..."
    filled = rest = ""
    number = forecast.done + 1
    if forecast.known:
        total = max(number, forecast.total)
        figures = f"{number}/{total}  {time_left(forecast.left(elapsed))}"
        if columns >= BAR_MIN_LINE:
            size = min(BAR_MAX, max(BAR_MIN, columns // 5))
            full = min(size, round(size * forecast.done / total))
            filled, rest = ("━" if unicode else "#") * full, ("─" if unicode else "-") * (size - full)
            room -= size
            figures = "  " + figures
    else:
        figures = f"step {number}  {whole_seconds(running)}"
    words = shorten(f"{figures}  {step}", room, ellipsis)
    return filled, rest, words
