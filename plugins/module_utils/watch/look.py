"""One look at this host, from gathering to telling."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

from ..common import secrets
from ..common.errors import HostError
from ..common.paths import CONFIG
from ..standalone.certificates import tell
from .check import RED, Check, Facts, Finding, Look
from .checks import CHECKS
from .checks.changes import LONGEST_RUN
from .judging import UNKNOWN, VERSION, held, section
from .memory import Memory
from .spans import span
from .telling import Notice, Teller, alarms, decide, harmless, remember

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .settings import Settings

#: Bytes of a log that are read: a line may be of any length
LOG_BYTES, LOG_LINES = 1 << 17, 40
#: The clock looks every minute; who is silent for so long does not look any more
SILENT = 300
#: Seconds for which a notice may be on its way before that is wrong as well
UNSENT = 600
NOTICES = "notices"
#: Letters of the shortest secret among ours; what is shorter there are names, which a notice is nothing without
SECRET = 16


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
    settings, memory = look.settings, look.memory
    checks = [*CHECKS, itself()]
    known = {**facts, "watch": {"now": look.now, "looked": memory.looked, "unsent": memory.unsent}}
    return [
        section(check, known[check.name], settings.limits, about(settings), memory.since)
        for check in checks
        if check.name in known
    ]


def itself() -> Check:
    """Return the check of the watch: whether it is made, and reaches people."""
    return Check("watch", 1000, lambda _: None, of_watch, words_of_watch)


def of_watch(facts: Facts, _: Mapping[str, float]) -> Iterator[Finding]:
    """Yield that nobody looks, or nobody hears of it."""
    if not facts["looked"] or facts["now"] - facts["looked"] > SILENT:
        last = (
            f"the last look was {span(facts['now'] - facts['looked'])} ago" if facts["looked"] else "there was no look"
        )
        yield Finding("silent", "red", f"nobody watches this host: {last}", "start", {"unit": "samestack-watch.timer"})
    unsent = facts["unsent"]
    if unsent and facts["now"] - unsent["since"] > UNSENT:
        text = f"a notice could not be sent for {span(facts['now'] - unsent['since'])}: {unsent['why']}"
        yield Finding("unsent", RED, text, "provision")


def words_of_watch(facts: Facts) -> str:
    """Return when the last look was."""
    return f"last look {span(facts['now'] - facts['looked'])} ago" if facts["looked"] else "never"


def show(settings: Settings) -> dict[str, Any]:
    """Return how this host is now; nothing is written, and nobody told."""
    look = Look(settings, Memory.read())
    facts = gathered(look)
    found = sections(look, facts)
    return {
        "version": VERSION, "time": look.now, **about(settings), "looked": look.memory.looked,
        "held": held(facts["changes"], LONGEST_RUN), "told": look.memory.told, "sections": found, "facts": facts,
    }  # fmt: skip


def watch(settings: Settings) -> list[str]:
    """Look, tell people what they should know, and remember it; returns what is said to the journal."""
    look = Look(settings, Memory.read())
    memory = look.memory
    memory.looked = look.now
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
        notice = teller.alarm(names, red, memory.told) if names else teller.clear(memory.told)
        said = deliver(look, notice)
    memory.write()
    return said


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
        return ["The notice could not be sent; it is tried again."]
    memory.unsent, memory.told = {}, notice.told
    return [title, *body.splitlines()]


def log(unit: str) -> str:
    """Return the last lines of a unit's log, without secrets and harmless to read."""
    command = ["journalctl", "--no-pager", "--quiet", "--output=cat", f"--lines={LOG_LINES}", f"--unit={unit}"]
    try:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            raw = process.stdout.read(LOG_BYTES) if process.stdout else b""
            process.kill()
    except OSError:
        return ""
    return harmless(secrets.KNOWN.masked(raw.decode(errors="replace")))


def learn(app: str) -> None:
    """Take what is secret on this host, so that no notice has it in it; what root alone may read of ours is."""
    for name in ("env", "owner.env"):
        secrets.learn_environment(f"/etc/{app}/{name}")
    with os.scandir(CONFIG) as entries:
        private = [entry.path for entry in entries if entry.is_file() and not entry.stat().st_mode & 0o077]
    for path in private:
        with open(path, encoding="utf-8", errors="replace") as file:
            for value in file.read().replace('"', "\n").splitlines():
                if len(value.strip()) >= SECRET:
                    secrets.KNOWN.learn(value.strip())
