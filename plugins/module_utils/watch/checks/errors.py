"""Section `errors`: exceptions that the application's processes write into the journal, each kind of them once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...common.text import short_traceback
from ...release.place import LIVE_CODE, Place
from .. import journal
from ..check import NEEDED, NOTE, RED, YELLOW, Check, Facts, Finding, Look
from ..hiding import learn
from ..spans import moment, span
from ..telling import harmless, one_line
from ..tracebacks import Traceback, found, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..memory import Memory

#: Seconds without one after which an exception is over
OVER = 600
#: Seconds of the past that are looked through, after which one that was over is news again, and kinds that are kept
BACK, NEWS_AGAIN, KEPT = 3600, 30 * 86400, 500
HOUR = 3600
#: Seconds in which a process writes a traceback
OVERLAP = 1
#: Kinds that are learned in one look, and told of one by one in an hour: one outage fails in many lines, and whoever
#: can write into the log invents any number
SHOWN, STORIES = 20, 5
#: What is not told one by one
MORE = "more"
RELEASE = re.compile(rf"@([0-9a-f]{{12}}|{LIVE_CODE})")


def gather(look: Look) -> Facts | None:
    """Return the facts, None where the application does not run; raises OSError."""
    settings, memory = look.settings, look.memory
    release = Place(settings.root, "").current
    if not settings.runs or not release:
        return None
    if release not in memory.served[:1]:
        # The one before ends what it has begun. What never served is its deployment's business.
        memory.served = [release, *memory.served][:2]
    cut = False
    if 0 < memory.journal < look.now:
        since = max(memory.journal, look.now - BACK)
        # The last look may have ended in the middle of one.
        entries, cut = journal.read_on(units(look), since - OVERLAP, look.now)
        note(look, (one for one in found(entries) if one.time > since), release)
    memory.journal = look.now
    known = memory.exceptions
    for name, about in list(known.items()):
        if about["open"] and not 0 <= look.now - about["last"] < OVER:
            about |= {"open": False, "lines": ""}
            if not about["told"]:
                # While nobody was told anything; the next one is news.
                del known[name]
    newest = sorted(known, key=lambda name: (known[name]["alone"], known[name]["last"]))[-KEPT:]
    memory.exceptions = {name: known[name] for name in newest if look.now - known[name]["last"] < NEWS_AGAIN}
    recent = {name: one for name, one in memory.exceptions.items() if 0 <= look.now - one["last"] < OVER}
    return {"now": look.now, "cut": cut, "release": release, "exceptions": recent}


def units(look: Look) -> list[str]:
    """Return the units that run the application's code for the releases that serve, or have just served."""
    app, settings = look.settings.app, look.settings
    names = [f"{app}-web@{release}{twin}" for release in look.memory.served for twin in ("", "-2")]
    names += [f"{app}-worker-{name}@{release}" for release in look.memory.served for name in settings.workers]
    return [f"{name}.service" for name in (*names, *(f"{app}-timer-{name}" for name in settings.timers))]


def note(look: Look, tracebacks: Iterable[Traceback], live: str) -> None:
    """Keep which exceptions there were; of those that are news their lines as well, without secrets."""
    known, news = look.memory.exceptions, 0
    for one in tracebacks:
        kind = kind_of(one)
        if kind.is_ending or (kind.fingerprint not in known and news == SHOWN):
            continue
        if kind.fingerprint not in known:
            if not news:
                learn(look.settings.app)
            news += 1
            named = RELEASE.search(one.unit)
            release = named[1] if named else live
            stories = sum(about["alone"] and one.time - about["first"] < HOUR for about in known.values())
            known[kind.fingerprint] = {
                "what": one_line(" in ".join(part for part in (kind.exception, kind.place) if part)),
                "lines": harmless(short_traceback(one.text, f"{look.settings.root}/releases/{release}/source/")),
                "release": release, "first": one.time, "count": 0, "open": True,
                "alone": stories < STORIES, "told": False,
            }  # fmt: skip
        known[kind.fingerprint] |= {"last": one.time, "count": known[kind.fingerprint]["count"] + 1}


def shared(memory: Memory, nobody: bool) -> None:
    """Keep of which exceptions people know, or would if this host told anybody."""
    for name, about in memory.exceptions.items():
        known = f"errors {name if about['alone'] else MORE}"
        about["told"] = about["told"] or nobody or known in memory.told | memory.unsent.get("told", {})


def judge(facts: Facts, _: Mapping[str, float]) -> Iterator[Finding]:
    """Yield each that is new, and that others go on."""
    new = {name: one for name, one in facts["exceptions"].items() if one["open"]}
    alone = sorted((name for name in new if new[name]["alone"]), key=lambda name: float(new[name]["first"]))
    for name in alone:
        one = new[name]
        often = f", {one['count']} times since" if one["count"] > 1 else ""
        text = f"{one['what']}: new with release {one['release']}, first seen {moment(one['first'])}{often}"
        yield Finding(name, RED, text, "logs", lines=one["lines"])
    rest = [one for name, one in new.items() if name not in alone]
    if rest:
        text = f"{len(rest)} more kinds of exceptions are new, the last one {rest[-1]['what']}"
        yield Finding(MORE, RED, text, "logs")
    known = [one for name, one in facts["exceptions"].items() if name not in new]
    if known:
        often = max(known, key=lambda one: float(one["count"]))
        more = f", and {len(known) - 1} more" if len(known) > 1 else ""
        text = f"{often['what']}: again, known since {moment(often['first'])}{more}"
        yield Finding("known", YELLOW, text, "logs")
    if facts["cut"]:
        yield Finding("flood", NOTE, "the application writes more than is read of it", "logs")


def words(facts: Facts) -> str:
    """Return how many kinds there are."""
    count = len(facts["exceptions"])
    return f"{count} kinds of exceptions" if count else f"no exceptions for {span(OVER)}"


CHECK = Check("errors", 34, gather, judge, words, worked_on=True, follows=NEEDED, apart=True)
