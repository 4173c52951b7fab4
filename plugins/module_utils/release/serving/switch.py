"""The switch from one release to another on one host.

Two web servers, each on its own socket; nginx's fixed socket path is a link that is renamed over. Every step first
looks whether it is done, so that a run that was cut off anywhere can be repeated. A second instance of the live release
takes over in the same way where something that it runs with changed.

No role or tool does this for systemd and Nginx alone: what turns a link and reloads (Capistrano, Ansistrano) serves new
code with the packages of before and asks nobody whether it answers, and what asks (Kamal) wants containers and a proxy.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ...common import ledger, maintenance_page, pending, priority
from ...common.errors import DECISIONS_FILE, HostError
from ...common.files import point, read_json
from ...common.stopwatch import Steps
from .. import causes, testing
from ..files import live_code, retention, static_history
from ..place import LIVE_CODE, Place
from . import server, units, workers

if TYPE_CHECKING:
    from collections.abc import Mapping


class Switch:
    """One release of one application on one host; `run` makes it live, `renew` gives the live one new processes."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Take the module's parameters."""
        self.params = params
        self.units = units.Units(params)
        self.before: str = Place(params["root"], "").current
        self.release: str = params["release_id"] or self.before
        self.place = Place(params["root"], self.release)
        self.steps = Steps()
        self.server = server.Server(params, self.units, self.place)
        self.workers = workers.Workers(self.units, self.release)
        self.record = ledger.Run(params["run"], params["app"])
        self.owed = pending.Owed(params["app"])
        self.changed = False
        self.fresh = bool(params["restart"]) or (self.owed.due and self.before == self.release)
        self.old = self.serving()
        self.server.instance = self.instance = self.chosen()

    def serving(self) -> str:
        """Return the instance that serves, and would again if the new one failed; "" where there is none."""
        running = self.units.instances()
        live: str = self.units.live
        if live in running and (units.release_of(live) != self.release or self.is_renewal):
            return live
        # A run was cut off after the flip: what served before it may still run.
        return next((str(name) for name in running if units.release_of(name) == self.before), "")

    def chosen(self) -> str:
        """Return the instance that shall serve: the live one of the release, or another beside it."""
        live: str = self.units.live
        if units.release_of(live) != self.release:
            return self.release
        return str(units.twin_of(live)) if self.fresh and self.old == live else live

    def is_done(self) -> bool:
        """Return whether everything is as it shall be, the health of the server left aside."""
        wanted = self.units.wanted(self.instance)
        shown = units.properties(wanted)
        running = all(shown.get(unit, {}).get("ActiveState") == "active" for unit in wanted)
        pointed = self.before == self.release
        if self.params["serves"]:
            pointed = pointed and self.units.live == self.instance
        settled = running and pointed and not self.fresh and not self.is_closed()
        return settled and not self.units.others(self.instance) and not units.former_units(self.params["app"])

    def is_closed(self) -> bool:
        """Return whether the application is stopped on purpose, or still behind the page of that."""
        closed = maintenance_page.closed_by() == maintenance_page.RELEASE
        return bool(closed or pending.is_paused(self.params["app"]))

    def is_settled(self) -> bool:
        """Return whether `run` would change nothing."""
        if self.params["release_id"]:
            return self.is_done()
        # What is stopped on purpose has new processes when it starts again; what is to be replaced has them then.
        live, wanted = self.before == LIVE_CODE, self.params["live"]
        waits = pending.is_paused(self.params["app"]) or wanted not in (None, live)
        return bool(waits or not (self.before and self.owed.due))

    def run(self) -> list[str]:
        """Make the release live; returns what happened in words. Raises HostError."""
        if self.is_settled():
            return self.confirm()
        self.record.require_lock()
        self.check_units()
        self.changed = True
        try:
            self.switch()
        except (HostError, OSError) as error:
            if self.old not in ("", self.instance):
                live_code.put_back(self.place)
            if not self.is_renewal:
                self.record.fail(str(error), **self.line())
            if isinstance(error, OSError):
                raise HostError(f"Release {self.release} could not be switched to: {error}") from error
            raise
        if not self.params["release_id"]:
            return [f"Release {self.release} runs with what changed"]
        if not self.is_renewal or self.params["restart"]:
            self.record.succeed(**self.line())
        self.record_late()
        came = f" (before: {self.before})" if self.before and not self.is_renewal else ""
        return [f"Release {self.release} is live{came}", *self.server.probe.remarks]

    def finish(self) -> list[str]:
        """Wait for the workers that are ending what they have begun; returns what there is to say. Raises HostError."""
        killed = self.workers.see_off(self.workers.take_turns)
        self.check_workers(self.workers.watch())
        return [f"It had not ended in time, and was killed: {self.limit_of(unit)}" for unit in killed]

    @property
    def ending(self) -> list[str]:
        """Return the workers that are ending what they have begun, in words."""
        return [self.limit_of(unit) for unit in self.workers.ending()]

    def limit_of(self, unit: str) -> str:
        """Return a worker and the time that it may take to end, in words."""
        name = units.worker_name(unit)
        seconds = self.units.rules_of(unit).get("stop_timeout")
        return f"worker {name}" + (f" ({seconds} s at most: app_workers.{name}.stop_timeout)" if seconds else "")

    @property
    def is_renewal(self) -> bool:
        """Return whether the release was live before."""
        return self.before == self.release

    def confirm(self) -> list[str]:
        """Say that nothing is to do."""
        if not self.params["release_id"]:
            self.owed.done()
            return []
        restarted = self.workers.restarts()
        if self.params["serves"]:
            with self.steps.step("probe"):
                self.require_health()
        self.check_workers(self.workers.watch(restarted))
        # A run that was cut off may have left some of them behind the others.
        priority.step_up(units.ordinary(self.units.wanted(self.instance)))
        self.record_late()
        return [f"Release {self.release} is live already: nothing to do", *self.server.probe.remarks]

    def record_late(self) -> None:
        """Write the ledger line of a switch that was cut off before it was written."""
        if ledger.good_releases(ledger.read_ledger())[:1] != [self.release]:
            self.record.succeed(**self.line())

    def line(self) -> dict[str, Any]:
        """Return what the ledger is to say of this switch."""
        built = read_json(self.place.path("build.json")) or {}
        known = {name: built[name] for name in ("label", "sha256") if built.get(name)}
        if self.params.get("commits"):
            known["commits"] = self.params["commits"]
        known |= testing.told(testing.recorded(self.place))
        before = self.before
        if self.is_renewal:
            before = next(iter(static_history.releases(self.place.root)), "")
        return {**known, "release": self.release, "from": before, "to": self.release, "steps": self.steps.seconds}

    def switch(self) -> None:
        """Do everything that is to do, in order."""
        if self.params["serves"]:
            with self.steps.step("start"):
                self.server.start(self.fresh)
            with self.steps.step("probe"):
                if self.old not in ("", self.instance):
                    self.server.make_way()
                self.require_health()
            with self.steps.step("warm up"):
                self.server.warm_up()
            with self.steps.step("switch"):
                self.server.take_visitors()
            with self.steps.step("verify"):
                self.verify()
        self.take_over()
        with self.steps.step("workers"):
            self.workers.make_room()
            self.workers.start("restart" if self.fresh else "start")
            self.units.start_timers()
            courtesy = self.server.courtesy_of(self.units.workers(self.release))
            courtesy.keep()
        with self.steps.step("drain"):
            try:
                self.units.stop(self.units.others(self.instance), self.params["drain"], courtesy.keep)
            finally:
                courtesy.end()
            self.workers.take_turns()
            units.retire_former(self.params["app"])
        live_code.settle(self.place)
        with self.steps.step("prune"):
            self.prune()
        with self.steps.step("watch"):
            self.check_workers(self.workers.watch())
            self.workers.forget()
        self.owed.done()

    def check_units(self) -> None:
        """Refuse a host that has not got the units."""
        wanted = self.units.wanted(self.instance)
        units.reload_manager([*wanted, *self.units.running()])
        shown = units.properties(wanted)
        if not self.params["release_id"]:
            # Configuration that was taken back knows less than the inventory.
            self.units.leave_out(unit for unit in wanted if shown.get(unit, {}).get("LoadState") != "loaded")
            wanted = self.units.wanted(self.instance)
        missing = [unit for unit in wanted if shown.get(unit, {}).get("LoadState") != "loaded"]
        if missing:
            raise HostError(
                f"this host has no unit {', '.join(missing)}", "Run `./samestack provision`, then deploy again."
            )

    def require_health(self) -> None:
        """Ask the new server until it answers; stops it again, unless it is the one that serves, when it does not."""
        trouble = self.server.trouble()
        if trouble:
            serving = self.instance == self.old
            if not serving:
                self.server.stop()
            raise HostError(trouble, f"{self.advice(serving)} {mend(trouble)}")

    def advice(self, serving: bool) -> str:
        """Return what the failure means for those who use the site."""
        if serving:
            return "This is the release that serves."
        if self.is_closed():
            return "The application stays stopped, behind the maintenance page."
        if not self.old:
            return "Nothing serves yet."
        if self.is_renewal:
            return "The processes that ran before serve on, with what they had."
        return "The release before it serves on, untouched."

    def take_over(self) -> None:
        """Let `current` name the release: timers, commands and the next boot follow it."""
        static_history.remember(self.place.root, self.before, self.release)
        point(self.place.current_link, os.path.join("releases", self.release))
        pending.resumed(self.params["app"])

    def verify(self) -> None:
        """Ask as a visitor does, through nginx; the old server gets its place back when that fails."""
        closed = maintenance_page.closed_by()
        if closed == maintenance_page.PEOPLE:
            return
        message = maintenance_page.message()
        if closed:
            # What served before is stopped: there is nothing to go back to.
            self.take_over()
            maintenance_page.off(maintenance_page.RELEASE)
        trouble = self.server.trouble_in_front()
        if not trouble:
            return
        if closed:
            maintenance_page.on(message, maintenance_page.RELEASE)
        back = self.server.give_back(self.old)
        advice = "The one before serves again." if back else "`./samestack logs` shows more."
        raise HostError(trouble, f"{advice} {mend(trouble)}")

    def check_workers(self, unit: str) -> None:
        """Raise a HostError for a worker that does not stay up; "" is none."""
        if unit:
            raise HostError(
                f"app_workers.{units.worker_name(unit)} (in {DECISIONS_FILE}): the site serves, but this worker does "
                f"not stay up ({workers.UP_SECONDS:.0f} s are asked of it).\n"
                f"{self.server.journal_of(unit)}",
                "Mend its command and deploy again.",
            )

    def prune(self) -> None:
        """Remove releases that are kept no longer, and names of second instances that do not run."""
        for entry in os.scandir(self.place.releases):
            if entry.is_symlink() and entry.name not in (self.instance, self.release):
                os.unlink(entry.path)
        if self.params["keep"]:
            retention.prune(self.place, self.params["app"], self.params["keep"], self.record)


def mend(trouble: str) -> str:
    """Return what to do about a server that does not answer well."""
    return causes.advice(trouble) or causes.of_import(trouble) or "Mend this and run it again."
