"""The workers of a release: started beside those of the release before, which end what they have begun, and watched."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...common import priority
from ...common.systemd import ENDED
from . import units as release_units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# A worker is up when its process has run for this long (docs/processes.md). Most that cannot run say so while they
# start; the rest of a deployment takes about as long.
UP_SECONDS = 3.0
# What is younger, and busy, may be starting yet.
YOUNG_SECONDS = 10.0
# What a worker that does not end by itself is given beyond its time until systemd has killed it
GRACE_SECONDS = 30
POLL_SECONDS = 0.1


class Workers:
    """The workers of one release on one host, and those of the application that are to end for them."""

    def __init__(self, units: release_units.Units, release: str) -> None:
        """Take the application's units, and the release."""
        self.units = units
        self.release = release

    @property
    def wanted(self) -> list[str]:
        """Return the units that shall run."""
        return self.units.workers(self.release)

    def shown(self) -> dict[str, dict[str, str]]:
        """Return what systemd says of them."""
        return dict(release_units.properties(self.wanted))

    def before(self) -> dict[str, str]:
        """Return {unit: state} of workers that run or end and are not this release's."""
        running = release_units.states([f"{self.units.app}-worker-*@*"])
        return {unit: state for unit, state in running.items() if unit not in self.wanted}

    def start(self, verb: str) -> None:
        """Start or restart them; those that must not run twice when the one before has ended."""
        before = self.before()
        self.units.start([unit for unit in self.wanted if verb == "restart" or not self.waits_for(unit, before)], verb)

    def waits_for(self, unit: str, before: Iterable[str]) -> list[str]:
        """Return the units that must have ended before one may begin."""
        name = release_units.worker_name(unit)
        if not self.units.rules_of(unit).get("single"):
            return []
        return [one for one in before if release_units.worker_name(one) == name]

    def take_turns(self) -> None:
        """Start those whose predecessors have ended."""
        shown, before = self.shown(), self.before()
        due = [unit for unit in self.wanted if shown.get(unit, {}).get("ActiveState") == "inactive"]
        self.units.start([unit for unit in due if not self.waits_for(unit, before)], "start")

    def make_room(self) -> None:
        """Ask those before the ones that must not run twice to end."""
        before = self.before()
        old = [one for unit in self.wanted for one in self.waits_for(unit, before)]
        if old:
            release_units.systemctl("stop", "--no-block", *old)

    def watch(self, since: Mapping[str, int] | None = None) -> str:
        """Wait until each has been up for UP_SECONDS; returns the first that does not stay up, "" where all do.

        Those whose time has not come, because one before them has not ended, are not waited for. `since`: how often
        systemd had restarted each by itself when this began.
        """
        deadline = time.monotonic() + YOUNG_SECONDS
        started = False
        while True:
            self.take_turns()
            shown, before = self.shown(), self.before()
            for unit, state in shown.items():
                if does_not_stay(state, (since or {}).get(unit, 0)):
                    return unit
            settled = all(self.waits_for(unit, before) or is_settled(state) for unit, state in shown.items())
            young = [unit for unit, state in shown.items() if age(state) < YOUNG_SECONDS]
            if (settled and (started or not young)) or time.monotonic() > deadline:
                return ""
            if settled:
                # A slow machine takes longer to find out that it cannot run.
                priority.wait_until_idle(young, deadline - time.monotonic())
                started = True
            time.sleep(POLL_SECONDS)

    def restarts(self) -> dict[str, int]:
        """Return how often systemd has restarted each by itself."""
        return {unit: restarts(state) for unit, state in self.shown().items()}

    def ending(self) -> dict[str, int]:
        """Return the units that are ending what they have begun, and the seconds that each may take."""
        found = [unit for unit, state in self.before().items() if state == "deactivating"]
        # One that is restarted in its place ends there.
        found += [unit for unit, state in self.shown().items() if state.get("ActiveState") == "deactivating"]
        return {unit: int(self.units.rules_of(unit).get("stop_timeout", 0)) for unit in found}

    def see_off(self, meanwhile: Callable[[], None]) -> list[str]:
        """Wait until those that are ending have ended; returns those that were killed for taking longer."""
        ending = self.ending()
        deadline = time.monotonic() + max(ending.values(), default=0) + GRACE_SECONDS
        while self.ending() and time.monotonic() < deadline:
            meanwhile()
            time.sleep(POLL_SECONDS)
        gone = [unit for unit in ending if unit not in self.wanted]
        killed = [unit for unit, state in release_units.properties(gone).items() if state.get("Result") == "timeout"]
        self.forget()
        return killed

    def forget(self) -> None:
        """Let systemd forget how workers that are wanted no more have ended."""
        failed = release_units.listed([f"{self.units.app}-worker-*@*"])
        old = [unit for unit in failed if unit not in self.wanted and unit not in self.before()]
        if old:
            release_units.systemctl("reset-failed", *old)


def restarts(state: Mapping[str, str]) -> int:
    """Return how often systemd has restarted a unit by itself."""
    return int(state.get("NRestarts") or 0)


def is_settled(state: Mapping[str, str]) -> bool:
    """Return whether a worker has been up for long enough, or ends what it has begun before it is restarted."""
    if state.get("ActiveState") == "deactivating":
        return True
    return state.get("ActiveState") == "active" and age(state) >= UP_SECONDS


def age(state: Mapping[str, str]) -> float:
    """Return the seconds since a unit's process was started."""
    return time.monotonic() - int(state.get("ExecMainStartTimestampMonotonic") or 0) / 1e6


def does_not_stay(state: Mapping[str, str], before: int) -> bool:
    """Return whether a worker has failed, or been restarted more often than `before`."""
    return (
        state.get("ActiveState") == "failed"
        or state.get("SubState", "").startswith("auto-restart")
        or restarts(state) > before
        # Live code is waited for where it is broken (samestack_watch.py).
        or state.get("StatusText", "").startswith(ENDED)
    )
