"""One look at this host, from gathering to telling."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..common import secrets
from ..common.errors import HostError
from ..common.paths import CONFIG
from ..standalone.certificates import tell
from . import journal, peers, ping, series
from .check import NOTE, RED, SILENT, UNSENT, YELLOW, Check, Facts, Finding, Look
from .checks import CHECKS, errors
from .checks.changes import LONGEST_RUN
from .checks.release import marks
from .hiding import learn
from .judging import UNKNOWN, VERSION, held, section
from .memory import Memory
from .metrics import Metric, of_findings, write
from .settings import FILE, KEPT
from .spans import span
from .telling import Notice, Teller, alarms, decide, harmless, remember

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .settings import Settings

#: Bytes of a log that are read: a line may be of any length
LOG_BYTES, LOG_LINES = 1 << 17, 40
NOTICES = "notices"


def gathered(look: Look) -> dict[str, Facts]:
    """Return the facts of all sections; one that nobody can say is no reason to say nothing of the others."""
    found = {}
    for check in CHECKS:
        try:
            facts = check.gather(look)
        except Exception as error:
            what = str(error) if isinstance(error, HostError) else f"{type(error).__name__}: {error}"
            facts = {UNKNOWN: what}
        if facts is not None:
            found[check.name] = facts
    return found


def about(settings: Settings) -> dict[str, str]:
    """Return whose host this is, in words."""
    return {
        "app": settings.app,
        "environment": settings.environment,
        "where": settings.where,
        "host": settings.name,
    }


def sections(look: Look, facts: Mapping[str, Facts]) -> list[dict[str, Any]]:
    """Return all sections, judged; the watch itself is the last."""
    settings = look.settings
    return [
        section(check, known, settings.limits, about(settings), look.memory.since)
        for check, known in judgeable(look, facts)
    ]


def judgeable(look: Look, facts: Mapping[str, Facts]) -> list[tuple[Check, Facts]]:
    """Return what is known of each section that is here; the watch itself is the last."""
    memory = look.memory
    begun = os.path.getmtime(FILE) if os.path.exists(FILE) else 0
    own = {
        "now": look.now,
        "begun": begun,
        "looked": memory.looked,
        "unsent": memory.unsent,
        "unpinged": memory.unpinged,
    }
    known = {**facts, "watch": own}
    return [(check, known[check.name]) for check in (*CHECKS, itself()) if check.name in known]


def itself() -> Check:
    """Return the check of the watch: whether it is made, and reaches people; who is not reached is not told of that."""
    return Check("watch", 1000, lambda _: None, of_watch, words_of_watch, metrics_of_watch, tells=False)


def of_watch(facts: Facts, _: Mapping[str, float]) -> Iterator[Finding]:
    """Yield that nobody looks, or nobody hears of it."""
    if not facts["looked"] and 0 <= facts["now"] - facts["begun"] < SILENT:
        yield Finding("first", NOTE, "not looked at yet: the first look comes within minutes")
    elif not facts["looked"] or abs(facts["now"] - facts["looked"]) > SILENT:
        last = (
            f"the last look was {span(facts['now'] - facts['looked'])} ago" if facts["looked"] else "there was no look"
        )
        yield Finding("silent", "red", f"nobody watches this host: {last}", "start", {"unit": "samestack-watch.timer"})
    unsent = facts["unsent"]
    if unsent:
        lasts = facts["now"] - unsent["since"]
        text = f"a notice could not be sent for {span(lasts)}: {unsent['why']}"
        yield Finding("unsent", RED if lasts > UNSENT else YELLOW, text, "provision")
    if facts["unpinged"]:
        yield Finding("ping", YELLOW, f"watch_ping_url: {facts['unpinged']['why']}", "provision")


def words_of_watch(facts: Facts) -> str:
    """Return when the last look was."""
    return f"last look {span(facts['now'] - facts['looked'])} ago" if facts["looked"] else "never"


def metrics_of_watch(facts: Facts) -> Iterator[Metric]:
    """Yield when the last look was, and since when a notice waits."""
    yield Metric("samestack_watch_looked_seconds", facts["looked"])
    yield Metric("samestack_watch_unsent_seconds", (facts["unsent"] or {"since": 0})["since"])


def metrics(look: Look, facts: Mapping[str, Facts], found: Iterable[Mapping[str, Any]]) -> list[Metric]:
    """Return this look as numbers: what each section has, and how much is wrong in it."""
    return [
        metric for check, known in judgeable(look, facts) if UNKNOWN not in known for metric in check.metrics(known)
    ] + of_findings(found)


def show(settings: Settings) -> dict[str, Any]:
    """Return how this host is now; nothing is written, and nobody told."""
    look = Look(settings, Memory.read())
    facts = gathered(look)
    found = sections(look, facts)
    return {
        "version": VERSION, "time": look.now, **about(settings), "looked": look.memory.looked,
        "held": held(facts["changes"], LONGEST_RUN), "told": look.memory.told, "sections": found, "facts": facts,
        "series": series.shown(KEPT, look.now), "marks": marks(settings, look.now),
    }  # fmt: skip


def watch(settings: Settings) -> list[str]:
    """Look, tell people what they should know, and remember it; returns what is said to the journal."""
    look = Look(settings, Memory.read())
    memory = look.memory
    memory.looked = look.now
    if settings.rehearsal:
        # It tells nobody, and owes nobody a notice of the time when it did.
        memory.told, memory.unsent = {}, {}
    facts = gathered(look)
    found = sections(look, facts)
    remember(memory, found, look.now)
    for part in found:
        for one in part["findings"]:
            one["since"] = memory.since[f"{part['name']} {one['key']}"]
    red = alarms(found, quiet(facts))
    names, well = decide(memory, red, look.now, settings.limits["patience"], held(facts["changes"], LONGEST_RUN))
    said = []
    if names or well:
        learn(settings.app)
        teller = Teller(about(settings), look.now, log)
        known = memory.told | memory.unsent.get("told", {})
        notice = teller.alarm(names, red, memory.told) if names else teller.clear(known)
        said = deliver(look, notice)
    errors.shared(memory, settings.rehearsal)
    memory.write()
    series.keep(KEPT, look.now, series.row(facts))
    if settings.peers:
        peers.say(memory.looked, memory.unsent)
    if settings.metrics:
        write(metrics(look, facts, found))
    # The last thing of all: who waits for it knows by it that the look came to its end.
    pinged(memory, look.now)
    return said


def pinged(memory: Memory, now: float) -> None:
    """Say elsewhere that this look came to its end, and whether people know of something that is wrong, or should."""
    address = ping.url()
    why = ping.send(address, well=not (memory.told or memory.unsent)) if address else ""
    if why != memory.unpinged.get("why", ""):
        memory.unpinged = {"since": memory.unpinged.get("since", now), "why": why} if why else {}
        memory.write()


def quiet(facts: Mapping[str, Facts]) -> set[str]:
    """Return the sections of which nobody is told now: somebody is at work on them behind the maintenance page."""
    return {check.name for check in CHECKS if check.worked_on} if facts["changes"].get("closed") else set()


def deliver(look: Look, notice: Notice) -> list[str]:
    """Send a notice; what could not be sent is tried again at the next look."""
    memory = look.memory
    urls = os.path.join(os.environ.get("CREDENTIALS_DIRECTORY", CONFIG), NOTICES)
    wanted = os.path.exists(urls) and os.path.getsize(urls) > 0
    title, body = (secrets.KNOWN.masked(text) for text in (notice.title, notice.body))
    if wanted and not tell(urls, title, body, notice.kind):
        memory.unsent = memory.unsent or {"since": look.now, "why": "see notices_urls (docs/notices.md)"}
        memory.unsent["told"] = memory.unsent.get("told", {}) | notice.told
        return ["The notice could not be sent; it is tried again."]
    memory.unsent, memory.told = {}, notice.told
    return [title, *body.splitlines()]


def log(unit: str) -> str:
    """Return the last lines of a unit's log, without secrets and harmless to read."""
    return harmless(secrets.KNOWN.masked(journal.last_lines(unit, LOG_LINES, LOG_BYTES)))
