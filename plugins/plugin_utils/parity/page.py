"""A comparison as one HTML page: people look at it rather than read it. Pure but for the page's parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..page import button, document, escape, legend
from .compare import BAD, CLASSES, DECLARED, DRIFT, SAME, UNEXPLAINED, Comparison
from .remedies import mends
from .text import LACKING, MARKS, kind_of, value_of, verdict
from .values import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .compare import Difference
    from .timeline import Change, Step
    from .values import Environment

    Timelines = Mapping[str, Sequence[Step]]

WORDS = {LACKING: "not there", SAME: "the same", "expected": "the same", DECLARED: "declared"}
LEGEND = (
    (SAME, "the same, or each machine has its own"),
    (DECLARED, "follows from a declared difference"),
    (DRIFT, "changed since our last run, by somebody else"),
    (UNEXPLAINED, "nothing explains it"),
    (LACKING, "this environment has none of it"),
)
LONGEST_VALUE = 400


def page(comparison: Comparison, timelines: Timelines, made: str, notes: Sequence[str] = ()) -> str:
    """Return the page.

    Args:
        comparison: what is shown.
        timelines: each host's steps by `environment: host`, oldest first.
        made: when, as people read it.
        notes: what there is to say about the environments (stand-ins, an old manifest).
    """
    title = f"Parity of {', '.join(comparison.names)}"
    worst = max((one.kind for one in comparison.bad), key=CLASSES.index, default=SAME)
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="verdict {worst}">{escape(verdict(comparison))}</p>',
        *(f'<p class="quiet">{escape(note)}</p>' for note in notes),
        *matrix(comparison),
        *(line for section in comparison.sections for line in section_part(comparison, section)),
        *timeline_part(timelines),
        f'<p class="quiet">Made by <code>./samestack parity</code>, {escape(made)}</p>',
    ]
    return document(title, body)


def matrix(comparison: Comparison) -> Iterator[str]:
    """Yield the table of environments and sections."""
    first = next((one.section for one in comparison.bad), next(iter(comparison.sections), ""))
    columns = len(comparison.names)
    yield f'<div class="wide"><table class="matrix" data-columns="{columns}" data-first="{escape(first)}">'
    yield "<caption>Each cell opens what differs in its section.</caption>"
    heads = "".join(f'<th scope="col">{head(environment)}</th>' for environment in comparison.environments)
    yield f'<thead><tr><th scope="col">section</th>{heads}</tr></thead><tbody>'
    for section in comparison.sections:
        cells = "".join(cell(comparison, environment, section) for environment in comparison.environments)
        yield f'<tr><th scope="row">{escape(section)}</th>{cells}</tr>'
    yield "</tbody></table></div>"
    yield legend([(kind, MARKS[kind][0], word) for kind, word in LEGEND])


def head(environment: Environment) -> str:
    """Return the head of an environment's column: its name, its machines, when they were recorded."""
    hosts = "".join(
        f'<br><small class="quiet">{escape(host.name)} · {time_tag(host.envelope.time)}</small>'
        for host in environment.hosts
    )
    stand_in = " <small>(rehearsal)</small>" if environment.rehearsal else ""
    return f"{escape(environment.name)}{stand_in}{hosts}"


def cell(comparison: Comparison, environment: Environment, section: str) -> str:
    """Return one cell of the matrix: a button that says in words, shape and colour how it is."""
    kind = kind_of(comparison, environment, section)
    marks = [one.marks.get(environment.name) for one in comparison.differences if one.section == section]
    number = marks.count(kind)
    word = WORDS.get(kind) or f"{number} {kind}"
    return button(kind, MARKS[kind][0], word, section, environment.name)


def section_part(comparison: Comparison, section: str) -> Iterator[str]:
    """Yield a section's diff: what is to be mended first, then what is explained."""
    found = [one for one in comparison.differences if one.section == section]
    yield f'<section class="diff" id="section-{escape(section)}">'
    yield f'<h2 tabindex="-1">{escape(section)}</h2>'
    if not found:
        yield "<p>No key of it differs.</p></section>"
        return
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in comparison.names)
    yield f'<table><thead><tr><th scope="col">key</th>{heads}<th scope="col">why</th></tr></thead><tbody>'
    for difference in sorted(found, key=lambda one: one.kind not in BAD):
        yield row(difference, comparison)
    yield "</tbody></table></section>"


def row(difference: Difference, comparison: Comparison) -> str:
    """Return the row of one difference."""
    cells = ""
    for name in comparison.names:
        odd = ' class="odd"' if difference.marks.get(name) in BAD else ""
        cells += f"<td{odd}>{escape(value_of(difference, name, LONGEST_VALUE))}</td>"
    why = f"{MARKS[difference.kind][0]} {escape(difference.kind)}"
    if difference.because:
        why += f" <small>({escape(', '.join(difference.because))})</small>"
    why += "".join(f'<code class="mend">{escape(command)}</code>' for command in mends(difference, comparison))
    harmless = "" if difference.kind in BAD else ' class="harmless"'
    key = escape(difference.key or "(all of it)")
    return f'<tr{harmless}><th scope="row"><code>{key}</code></th>{cells}<td>{why}</td></tr>'


def timeline_part(timelines: Timelines) -> Iterator[str]:
    """Yield each host's recordings, newest first, and what changed from one to the next."""
    times = sorted({step.time for steps in timelines.values() for step in steps}, reverse=True)
    yield '<section class="timeline"><h2>Timeline</h2>'
    yield '<p><label for="since">Changes since</label> <select id="since"><option value="">the first recording</option>'
    for time in times:
        yield f'<option value="{escape(time)}">{moment(time)}</option>'
    yield "</select></p>"
    for name, steps in timelines.items():
        yield f"<h3>{escape(name)}</h3><ol>"
        for step in reversed(steps):
            yield step_item(step)
        yield "</ol><p hidden>Nothing changed since then.</p>"
    yield "</section>"


def step_item(step: Step) -> str:
    """Return one recording; its changes are folded."""
    number = len(step.changes or ())
    what = f"{number} change{'' if number == 1 else 's'}" if number else "first recording"
    if step.changes is None:
        what = "something changed; the host alone has kept what"
    title = f"{time_tag(step.time)} · {escape(step.cause)} · {what}"
    big = ' class="big"' if number else ""
    start = f'<li data-time="{escape(step.time)}"{big}>'
    if not number:
        return f"{start}{title}</li>"
    rows = "".join(change_row(change) for change in step.changes or ())
    return (
        f"{start}<details><summary>{title}</summary><table><thead><tr>"
        '<th scope="col">key</th><th scope="col">before</th><th scope="col">after</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></details></li>"
    )


def change_row(change: Change) -> str:
    """Return the row of one change."""
    key = f"{change.section}/{change.key}" if change.key else change.section
    cells = "".join(f"<td>{escape(shown(value)[:LONGEST_VALUE])}</td>" for value in (change.before, change.after))
    return f'<tr><th scope="row"><code>{escape(key)}</code></th>{cells}</tr>'


def time_tag(stamp: str) -> str:
    """Return a time as machines and people read it."""
    return f'<time datetime="{escape(stamp)}">{moment(stamp)}</time>'


def moment(stamp: str) -> str:
    """Return a time as people read it."""
    return escape(stamp[:16].replace("T", " ") + " UTC")
