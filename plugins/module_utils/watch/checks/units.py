"""Section `units`: what has failed, and what is not running though it begins at each boot."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

from ..check import RED, Check, Facts, Finding, Look
from ..metrics import Metric
from ..systemd import failed, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: They fail while what they have looked at is not well, which is a section of its own.
LOOKS = ("samestack-backup-look@*.service", "samestack-backup-drill*.service", "samestack-certificates.service")
RUNS = ("active", "activating", "reloading", "deactivating")


def gather(look: Look) -> Facts:
    """Return the facts; raises HostError."""
    app = look.settings.app
    others = (*LOOKS, f"{app}-web@*", f"{app}-worker-*", f"{app}-timer-*")
    found = shown(look, look.settings.units)
    return {
        "failed": [unit for unit in failed(look) if not any(fnmatch.fnmatch(unit, one) for one in others)],
        "stopped": [
            unit
            for unit, about in found.items()
            if about.get("UnitFileState") in ("enabled", "enabled-runtime", "static", "alias")
            and about.get("LoadState") == "loaded"
            and about.get("ActiveState") not in (*RUNS, "failed")
            # It was asked to run, and is not for machines of this kind.
            and not (about.get("ConditionResult") == "no" and about.get("ConditionTimestamp"))
        ],
        "watched": len(found),
    }  # fmt: skip


def judge(facts: Facts, _: Mapping[str, float]) -> Iterator[Finding]:
    """Yield each of them."""
    for unit in facts["failed"]:
        yield Finding(unit, RED, f"{unit} has failed", "restart", {"unit": unit}, unit)
    for unit in facts["stopped"]:
        yield Finding(unit, RED, f"{unit} is stopped, and begins at each boot", "start", {"unit": unit}, unit)


def words(facts: Facts) -> str:
    """Return how many are looked at."""
    bad = len(facts["failed"]) + len(facts["stopped"])
    return f"{bad} not well" if bad else f"none has failed; {facts['watched']} services run"


def metrics(facts: Facts) -> Iterator[Metric]:
    """Yield how many are not well."""
    yield Metric("samestack_units_failed", len(facts["failed"]))
    yield Metric("samestack_units_stopped", len(facts["stopped"]))


CHECK = Check("units", 40, gather, judge, words, metrics, worked_on=True)
