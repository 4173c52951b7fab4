"""How hosts are, as one HTML page: environments and checks, what mends what, numbers over a day and a week. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...module_utils.watch.spans import moment, span
from ..page import button, document, escape, legend
from .screen import DEGRADED, DOWN, JUST, MARKS, UNKNOWN, WELL, worst
from .spark import NUMBERS, SPANS, figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .screen import Environment, Host

    Section = Mapping[str, Any]

LEVELS = tuple(MARKS)
#: Of a level: the kind of its cell, its mark, its word, and what that means; "-" where there is nothing of the kind
KINDS = {
    "": ("well", "✓", "well", "all is well"),
    "note": ("note", "i", "note", "only to be known"),
    "yellow": ("yellow", "▲", "yellow", "somebody is needed soon"),
    "red": ("red", "✗", "red", "somebody is needed now"),
    "-": ("lacking", "·", "not there", "there is nothing of that kind"),
}
VERDICTS = {
    WELL: ("well", "All is well"),
    DEGRADED: ("yellow", "Degraded"),
    DOWN: ("red", "A site is down"),
    UNKNOWN: ("red", "Nobody can say how all is"),
}


def page(environments: Sequence[Environment], made: float) -> str:
    """Return the page; `made` is when, in seconds since 1970."""
    shown = [one for one in environments if one.hosts]
    title = f"Status of {', '.join(one.name for one in shown) or 'no machine'}"
    kind, verdict = VERDICTS[worst(shown)]
    given = [level for one in shown for name in names(shown) for level in levels(one, name)]
    counts = ", ".join(f"{given.count(level)} {level}" for level in ("red", "yellow") if level in given)
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="verdict {kind}">{verdict}{f": {counts}" if counts else ""}</p>',
        *matrix(shown),
        *(line for name in names(shown) for line in section_part(shown, name)),
        *(line for one in shown for host in one.hosts for line in numbers_part(one, host)),
        f'<p class="quiet">Made by <code>./samestack status</code>, {moment(made)}</p>',
    ]
    return document(title, body)


def sections(host: Host) -> Sequence[Section]:
    """Return what a host has found; that it says nothing is a section as well."""
    if not host.trouble:
        return host.sections
    level = "note" if host.absent else "red"
    finding = {"level": level, "text": host.trouble, "mend": host.mend, "since": 0}
    return [{"name": "host", "words": "", "findings": [finding]}]


def names(environments: Sequence[Environment]) -> list[str]:
    """Return the sections of all hosts, in the order in which they are shown."""
    return list(dict.fromkeys(part["name"] for one in environments for host in one.hosts for part in sections(host)))


def found(environment: Environment, name: str) -> list[tuple[Host, Section]]:
    """Return a section of each host of an environment that has it."""
    return [(host, part) for host in environment.hosts for part in sections(host) if part["name"] == name]


def levels(environment: Environment, name: str) -> list[str]:
    """Return the level of each finding in a section of an environment, "" where there is none."""
    return [str(one["level"]) for _, part in found(environment, name) for one in part["findings"] or [{"level": ""}]]


def matrix(environments: Sequence[Environment]) -> Iterator[str]:
    """Yield the table of environments and sections; the worst section is open at first."""
    every = names(environments)
    bad = {name: max(LEVELS.index(level) for one in environments for level in levels(one, name)) for name in every}
    first = max(every, key=lambda name: bad[name], default="")
    yield f'<div class="wide"><table class="matrix" data-columns="{len(environments)}" data-first="{escape(first)}">'
    yield "<caption>Each cell opens what its section says.</caption>"
    heads = "".join(f'<th scope="col">{head(one)}</th>' for one in environments)
    yield f'<thead><tr><th scope="col">section</th>{heads}</tr></thead><tbody>'
    for name in every:
        cells = "".join(cell(one, name) for one in environments)
        yield f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'
    yield "</tbody></table></div>"
    yield legend([(kind, mark, words) for kind, mark, _, words in KINDS.values()])


def head(environment: Environment) -> str:
    """Return the head of an environment's column: its name, its hosts, how each is."""
    hosts = (f'<br><small class="quiet">{escape(host.name)} · {host.state}</small>' for host in environment.hosts)
    return escape(environment.name) + "".join(hosts)


def cell(environment: Environment, name: str) -> str:
    """Return one cell of the matrix."""
    given = levels(environment, name)
    level = max(given, key=LEVELS.index, default="-")
    kind, mark, word, _ = KINDS[level]
    number = f"{given.count(level)} " if level in ("red", "yellow") else ""
    return button(kind, mark, number + word, name, environment.name)


def section_part(environments: Sequence[Environment], name: str) -> Iterator[str]:
    """Yield what a section says of each host, and what mends it."""
    yield f'<section class="diff" id="section-{escape(name)}">'
    yield f'<h2 tabindex="-1">{escape(name)}</h2>'
    heads = "".join(f'<th scope="col">{word}</th>' for word in ("host", "how", "what"))
    yield f'<table class="told"><thead><tr>{heads}</tr></thead><tbody>'
    for environment in environments:
        for host, part in found(environment, name):
            if not part["findings"]:
                yield row(host, "", escape(part["words"]))
            for one in part["findings"]:
                lasts = host.answer["time"] - one["since"] if one["since"] else 0
                since = f" (for {span(lasts)})" if lasts >= JUST else ""
                mend = f'<code class="mend">{escape(one["mend"])}</code>' if one["mend"] else ""
                yield row(host, one["level"], escape(one["text"] + since) + mend)
    yield "</tbody></table></section>"


def row(host: Host, level: str, what: str) -> str:
    """Return one line of a section, whose last cell is HTML."""
    _, mark, word, _ = KINDS[level]
    harmless, odd = ("", ' class="odd"') if level in ("red", "yellow") else (' class="harmless"', "")
    return f'<tr{harmless}><th scope="row">{escape(host.name)}</th><td>{mark} {word}</td><td{odd}>{what}</td></tr>'


def numbers_part(environment: Environment, host: Host) -> Iterator[str]:
    """Yield a host's numbers over time, with the deployments of its environment in them."""
    series = host.answer.get("series") or {}
    # A host without the application has no ledger of it; several have the same lines, some seconds apart.
    marks = {(one["verb"], one["release"], one["time"] // 60): one for other in environment.hosts
             for one in other.answer.get("marks") or ()}  # fmt: skip
    figures = [
        figure(number, kind, values, host.answer["time"], list(marks.values()))
        for name, number in NUMBERS.items()
        for key, kind in SPANS.items()
        for values in [(series.get(key) or {}).get(name, ())]
        if any(value is not None for value in values)
    ]
    if figures:
        yield f"<section><h2>{escape(environment.name)}: {escape(host.name)}</h2>"
        yield '<p class="quiet">An upright line is a deployment; a broken one failed.</p>'
        yield f'<div class="numbers">{"".join(figures)}</div></section>'
