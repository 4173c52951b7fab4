"""Section `backup`: what the backups' own look found last. That one tells people of it, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...common.files import read_json
from ...common.paths import STATE
from ..check import NOTE, RED, Check, Facts, Finding, Look
from ..metrics import Metric
from ..spans import moment, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Where it is written (backup/watch.py)
LOOKED = f"{STATE}/backup/looked.json"
#: It is made every five minutes, and may take a few.
SILENT = 1800


def gather(look: Look) -> Facts | None:
    """Return the facts; None where nothing is backed up from here or to here."""
    if not look.settings.backups:
        return None
    return {
        "now": look.now,
        **(read_json(LOOKED) or {"time": 0, "problems": {}, "remarks": [], "until": 0, "drill": {}}),
    }


def judge(facts: Facts, _: Mapping[str, float]) -> Iterator[Finding]:
    """Yield what is wrong with them."""
    if facts["time"] and facts["now"] - facts["time"] > SILENT:
        text = f"nobody has looked at the backups for {span(facts['now'] - facts['time'])}"
        yield Finding("silent", RED, text, "provision", unit="samestack-backup-look@check.service")
    for word, sentence in facts["problems"].items():
        yield Finding(word, RED, sentence, "backups")
    for number, sentence in enumerate(facts["remarks"]):
        yield Finding(f"remark {number}", NOTE, sentence)


def words(facts: Facts) -> str:
    """Return until when everything can be restored, and when that was last tried."""
    if not facts["time"]:
        return "not looked at yet"
    until, drill = facts["until"], facts["drill"]
    parts = [f"restorable until {moment(until)} ({span(facts['now'] - until)} ago)"] if until else []
    if drill.get("time"):
        came = "well" if drill.get("ok") else "failed"
        parts.append(f"last drill {span(facts['now'] - drill['time'])} ago, {came}")
    return "; ".join(parts) or "nothing can be restored from here"


def metrics(facts: Facts) -> Iterator[Metric]:
    """Yield until when everything can be restored, and when that was last tried."""
    drill = facts["drill"]
    yield Metric("samestack_backup_restorable_until_seconds", facts["until"] or 0)
    yield Metric("samestack_backup_looked_seconds", facts["time"])
    yield Metric("samestack_backup_drill_seconds", drill.get("time") or 0)
    yield Metric("samestack_backup_drill_ok", bool(drill.get("ok")))


CHECK = Check("backup", 110, gather, judge, words, metrics, tells=False)
