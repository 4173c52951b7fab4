"""Section `changes`: who is at work on the environment, who closed it, and what changed outside of Samestack."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from ...common import maintenance_page
from ...common.files import read_json
from ...common.ledger import OURS, described, is_locked
from ...common.paths import RUN, STATE
from ..check import NOTE, YELLOW, Check, Facts, Finding, Look
from ..metrics import Metric
from ..spans import moment, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: No run of ours takes so long: one that does hangs, and holds back alarms no more.
LONGEST_RUN = 1800
#: Bytes of the end of the list of recordings
TAIL = 1 << 16


def gather(look: Look) -> Facts:
    """Return the facts; raises OSError."""
    holder = (read_json(os.path.join(RUN, "lock.json")) or {}) if is_locked(os.path.join(RUN, "lock")) else {}
    closed = maintenance_page.is_on()
    return {
        "now": look.now,
        "holder": holder,
        "held": look.now - float(holder.get("since") or look.now),
        "frozen": read_json(os.path.join(STATE, "freeze.json")) or {},
        "closed": maintenance_page.closed_by() if closed else "",
        "message": maintenance_page.message() if closed else "",
        "drift": drifted(os.path.join(STATE, "manifests.jsonl")),
        "rehearsal": look.settings.rehearsal,
    }


def drifted(path: str) -> str:
    """Return since when something is otherwise than a run of ours has left it, "" where nothing is."""
    try:
        with open(path, "rb") as file:
            file.seek(max(os.path.getsize(path) - TAIL, 0))
            texts = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    last, since = "", ""
    for text in texts:
        try:
            line = json.loads(text)
            cause, digest, when = str(line["cause"]), str(line["digest"]), str(line["time"])
        except (ValueError, KeyError, TypeError):
            continue
        if cause in OURS:
            last, since = digest, ""
        elif last and digest != last:
            since = since or when
        elif last:
            since = ""
    return since


def judge(facts: Facts, _: Mapping[str, float]) -> Iterator[Finding]:
    """Yield what is to be known: nothing of it is a fault, but a run that has no end."""
    if facts["holder"]:
        hangs = facts["held"] > LONGEST_RUN
        text = f"a run is at work for {span(facts['held'])}: {described(facts['holder'])}"
        yield Finding("run", YELLOW if hangs else NOTE, text, "logs" if hangs else "")
    if facts["frozen"]:
        why = facts["frozen"].get("message") or "no reason given"
        text = f"frozen by {facts['frozen'].get('who')} since {moment(float(facts['frozen'].get('since') or 0))}: {why}"
        yield Finding("frozen", NOTE, text, "unfreeze")
    if facts["closed"]:
        yield Finding("closed", NOTE, f"visitors see the maintenance page: {facts['message']}", "open")
    if facts["drift"]:
        yield Finding("drift", NOTE, f"something changed outside of Samestack, since {facts['drift']}", "drift")


def words(facts: Facts) -> str:
    """Return whether anything goes on."""
    parts = [name for name in ("frozen", "closed") if facts[name]] + (["drifted"] if facts["drift"] else [])
    return ", ".join((["a run is at work"] if facts["holder"] else []) + parts) or "none outside of Samestack"


def metrics(facts: Facts) -> Iterator[Metric]:
    """Yield what is so and what is not."""
    for name, fact in (("run", "holder"), ("frozen", "frozen"), ("maintenance", "closed"), ("drift", "drift")):
        yield Metric(f"samestack_{name}", bool(facts[fact]))


CHECK = Check("changes", 130, gather, judge, words, metrics)
