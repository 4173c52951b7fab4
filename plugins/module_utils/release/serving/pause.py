"""An application that is stopped on purpose, behind the maintenance page, and started again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ...common import ledger, maintenance_page, pending
from . import sockets, units
from .switch import Switch
from .workers import GRACE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

POLL_SECONDS = 0.1


class Pause:
    """One application on one host."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Take the module's parameters."""
        self.params = params
        self.app: str = params["app"]
        self.units = units.Units(params)

    def is_done(self) -> bool:
        """Return whether everything is as it shall be."""
        if self.params["state"] == "resumed":
            closed = maintenance_page.closed_by() == maintenance_page.RELEASE
            return not pending.is_paused(self.app) and not closed
        closed = maintenance_page.is_on() or not self.params["serves"]
        return pending.is_paused(self.app) and closed and not self.units.running()

    def run(self) -> list[str]:
        """Bring it about; returns what happened in words. Raises HostError."""
        if self.is_done():
            return []
        ledger.Run(self.params["run"], self.app).require_lock()
        if self.params["state"] == "paused":
            return [*self.stop(), f"{self.app} is stopped; visitors see the maintenance page"]
        switch = Switch({**self.params, "release_id": "", "restart": False, "live": None, "keep": 0})
        if not switch.before:
            pending.resumed(self.app)
            maintenance_page.off(maintenance_page.RELEASE)
            return []
        switch.check_units()
        switch.switch()
        return [f"{self.app} runs again (release {switch.before})"]

    def stop(self) -> list[str]:
        """Let what is under way finish, close the site, stop everything; returns what there is to say of jobs."""
        pending.paused(self.app)
        # Nothing new begins while the rest ends; visitors are served until it has.
        units.systemctl("stop", *self.units.timers)
        workers = units.listed([f"{self.app}-worker-*@*"])
        if workers:
            units.systemctl("stop", "--no-block", *workers)
        said = self.see_off_jobs()
        patience = max((rules["stop_timeout"] for rules in self.units.worker_rules.values()), default=0)
        wait_until_none(lambda: list(units.states([f"{self.app}-worker-*@*"])), patience + GRACE_SECONDS)
        if self.params["serves"]:
            maintenance_page.on(self.params["message"], maintenance_page.RELEASE)
            live = self.units.live
            if live:
                sockets.wait_until_quiet(self.units.socket(live), self.params["drain"])
        left = [*self.units.running(), *units.listed([f"{self.app}-timer-*.service"])]
        if left:
            units.systemctl("stop", *left)
            units.systemctl("reset-failed", *left)
        return said

    def see_off_jobs(self) -> list[str]:
        """Give the jobs that run the time that visitors get; returns what there is to say of them."""
        running = self.units.jobs
        if not running:
            return []
        began = time.monotonic()
        left = wait_until_none(lambda: [unit for unit in self.units.jobs if unit in running], self.params["drain"])
        seconds = f"{time.monotonic() - began:.0f} s"
        said = [f"Waited {seconds} for {self.job(unit)} to end" for unit in running if unit not in left]
        for unit in left:
            if "-timer-" in unit:
                units.systemctl("stop", unit)
                said.append(f"Stopped {self.job(unit)}, which had not ended after {seconds} (release_drain_timeout)")
            else:
                said.append(f"{self.job(unit)} had not ended after {seconds}, and goes on".capitalize())
        return said

    def job(self, unit: str) -> str:
        """Return what a unit runs, in words."""
        name = unit.removeprefix(f"{self.app}-").removesuffix(".service")
        return f"the job of timer {name[len('timer-') :]}" if name.startswith("timer-") else "a command of `manage`"


def wait_until_none(look: Callable[[], list[str]], seconds: float) -> list[str]:
    """Wait until none is left, some seconds at most; returns those that are."""
    deadline = time.monotonic() + seconds
    while (left := look()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return left
