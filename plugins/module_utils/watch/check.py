"""What a check is: it gathers facts of this host, and says what they mean. Only the first half needs the host."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..common.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .memory import Memory
    from .metrics import Metric
    from .settings import Settings

Facts = dict[str, Any]
#: Somebody is needed now; somebody is needed soon; it is only to be known
RED, YELLOW, NOTE = "red", "yellow", "note"
LEVELS = (NOTE, YELLOW, RED)
#: Of what a section may be a sign: of anything, or of what the application needs, which is what people work on
ANYTHING, NEEDED = "anything", "needed"
#: Seconds after which a program that was asked is given up
ASKED = 15
#: The clock looks every minute; who is silent for so long does not look any more
SILENT = 300
#: Seconds for which a notice may be on its way before that is wrong as well
UNSENT = 600


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be."""

    #: By which it is known again at the next look
    key: str
    level: str
    text: str
    #: Name of a remedy (remedies.py) and the words in it
    remedy: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    #: The unit whose log has more to say
    unit: str = ""
    #: Lines of a log that say it, without secrets
    lines: str = ""
    #: Another host of the environment tells people of it
    elsewhere: bool = False


def no_metrics(_: Facts) -> Iterable[Metric]:
    """Return none."""
    return ()


@dataclass(frozen=True)
class Check:
    """One section of what is looked at."""

    name: str
    #: Its place among the others
    order: int
    #: Returns the facts, None where there is nothing of that kind on this host; raises OSError, ValueError, HostError
    gather: Callable[[Look], Facts | None]
    #: Pure: what is not well, by the facts and the limits
    judge: Callable[[Facts, Mapping[str, float]], Iterable[Finding]]
    #: Pure: the facts in a few words
    words: Callable[[Facts], str]
    #: Pure: the facts as numbers, for whoever collects them (metrics.py has their names)
    metrics: Callable[[Facts], Iterable[Metric]] = no_metrics
    #: Nobody is told of it from here: who has always told of it goes on to
    tells: bool = True
    #: While visitors see the maintenance page, somebody is at work on this
    worked_on: bool = False
    #: It is how other things that are wrong show: with one of those known, nothing new is told of it
    follows: str = ""
    #: Each finding is a story of its own
    apart: bool = False


class Look:
    """One look at this host."""

    def __init__(self, settings: Settings, memory: Memory, now: float | None = None) -> None:
        """Take what there is to watch, what is known from before, and the time."""
        self.settings = settings
        self.memory = memory
        self.now = time.time() if now is None else now
        #: What one check found and another needs
        self.shared: dict[str, Any] = {}

    def run(self, *words: str, user: str = "", text: str = "", environment: Mapping[str, str] | None = None) -> str:
        """Return what a program prints; raises HostError where it fails, or takes too long."""
        who: dict[str, Any] = {"user": user, "group": user, "extra_groups": []} if user else {}
        own = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **(environment or {})}
        try:
            done = subprocess.run(
                words, input=text, capture_output=True, text=True, errors="replace", timeout=ASKED, check=False,
                env=own, cwd="/", **who,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise HostError(f"{words[0]} did not answer within {ASKED} s") from None
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise HostError(f"{words[0]}: {lines[-1] if lines else f'it left with {done.returncode}'}")
        return str(done.stdout)

    def seldom(self, name: str, seconds: float, gather: Callable[[], Any], stamp: object = None) -> Any:
        """Return what takes long to find out, at most so many seconds old, and never older than `stamp` is the same."""
        known = self.memory.seldom.get(name)
        if known and 0 <= self.now - known["time"] < seconds and known["stamp"] == stamp:
            return known["value"]
        value = gather()
        self.memory.seldom[name] = {"time": self.now, "stamp": stamp, "value": value}
        return value
