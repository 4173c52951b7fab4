"""An application that is stopped on purpose, behind the maintenance page, and started again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...common import ledger, maintenance_page, pending
from . import sockets, units
from .switch import Switch

if TYPE_CHECKING:
    from collections.abc import Mapping


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
            self.stop()
            return [f"{self.app} is stopped; visitors see the maintenance page"]
        switch = Switch({**self.params, "release": "", "restart": False, "live": None, "keep": 0})
        if not switch.before:
            pending.resumed(self.app)
            maintenance_page.off(maintenance_page.RELEASE)
            return []
        switch.check_units()
        switch.switch()
        return [f"{self.app} runs again (release {switch.before})"]

    def stop(self) -> None:
        """Close the site, let what is under way finish, stop everything."""
        pending.paused(self.app)
        if self.params["serves"]:
            maintenance_page.on(self.params["message"], maintenance_page.RELEASE)
            live = self.units.live
            if live:
                sockets.wait_until_quiet(self.units.socket(live), self.params["drain"])
        running = self.units.running()
        jobs = units.listed([f"{self.app}-timer-*.service"])
        if running or jobs:
            # Nothing new begins while the rest ends.
            units.systemctl("stop", *self.units.timers)
            units.systemctl("stop", *running, *jobs)
            units.systemctl("reset-failed", *running, *jobs)
