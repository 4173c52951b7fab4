"""Numbers over time as small pictures (SVG) that say in words what they show. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ...module_utils.watch.spans import moment
from ..page import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Column = Sequence[float | None]
    Marks = Sequence[Mapping[str, Any]]

HEIGHT = 40


class Number(NamedTuple):
    """What is shown over time."""

    title: str
    unit: str
    #: The upper end of its picture; 0: its highest value
    top: float


class Span(NamedTuple):
    """How long ago a picture begins."""

    words: str
    #: Seconds of one value, and how many of them are one point of the line
    step: int
    together: int


#: By the names that hosts give them (module_utils/watch/series.py)
NUMBERS = {
    "answer": Number("Site answers in", "ms", 0),
    "load": Number("Processors", "%", 100),
    "memory": Number("Memory", "%", 100),
    "disk": Number("The fullest disk", "%", 100),
    "connections": Number("Connections", "%", 100),
}
SPANS = {"day": Span("the last day", 60, 5), "week": Span("the last week", 900, 2)}


def points(values: Column, together: int) -> list[float | None]:
    """Return the highest of each few values: what was bad for a minute is seen; None where there is none."""
    groups = (values[start : start + together] for start in range(0, len(values), together))
    return [max((value for value in group if value is not None), default=None) for group in groups]


def path(line: Column, top: float) -> str:
    """Return a line as SVG draws it; where nobody looked there is a gap."""
    drawn, pen = [], "M"
    for place, value in enumerate(line):
        if value is None:
            pen = "M"
            continue
        drawn.append(f"{pen}{place} {HEIGHT - 1 - min(value / top, 1) * (HEIGHT - 2):.1f}")
        # A value between two gaps is a dot.
        if pen == "M":
            drawn.append("h.5")
        pen = "L"
    return "".join(drawn)


def marked(marks: Marks, began: float, seconds: float, width: int) -> Iterator[str]:
    """Yield a line for each deployment within the picture."""
    for one in marks:
        place = (one["time"] - began) / seconds * width
        if 0 <= place <= width:
            kind = "failed" if one["result"] == "failed" else "done"
            words = f"{one['verb']} {one['release']}, {moment(one['time'])}, {one['result']}"
            yield (
                f'<line class="{kind}" x1="{place:.1f}" x2="{place:.1f}" y1="0" y2="{HEIGHT}">'
                f"<title>{escape(words)}</title></line>"
            )


def figure(number: Number, span: Span, values: Column, ends: float, marks: Marks) -> str:
    """Return a picture and its words.

    Args:
        number: what is shown.
        span: how much of the past.
        values: oldest first, one of them at least a number.
        ends: the time of the last one, in seconds since 1970.
        marks: deployments, oldest first.
    """
    known = [value for value in values if value is not None]
    # Whoever asks may be there before the look of this minute.
    last = next((value for value in values[:-3:-1] if value is not None), None)
    line = points(values, span.together)
    seconds = span.step * len(values)
    began = (ends // span.step + 1) * span.step - seconds
    lines = list(marked(marks, began, seconds, len(line)))
    now = f"{last:.0f} {number.unit}" if last is not None else "nobody can say"
    words = f"{number.title}, {span.words}: {min(known):.0f} to {max(known):.0f} {number.unit}, now {now}"
    if lines:
        words += f", {len(lines)} deployment{'s' if len(lines) > 1 else ''}"
    return (
        f"<figure><figcaption><span>{escape(number.title)}, {span.words}</span><strong>{now}</strong></figcaption>"
        f'<svg class="spark" role="img" aria-label="{escape(words)}" viewBox="0 0 {len(line)} {HEIGHT}" '
        f'preserveAspectRatio="none">{"".join(lines)}'
        f'<path d="{path(line, number.top or max(*known, 1))}"/></svg>'
        f'<small class="quiet">{min(known):.0f} to {max(known):.0f} {number.unit}</small></figure>'
    )
