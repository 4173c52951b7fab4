"""One web server, an instance of a release: started beside the one that serves, asked for a page, led to, given up."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from ...common import priority
from ...common import text as release_text
from ...common.files import point
from ..files import static_history
from ..place import LIVE_CODE
from . import probe, sockets
from . import units as release_units

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..place import Place

FRONT_SECONDS = 30
# Of the time that a release has to become healthy: while another serves, it makes way for that one.
COURTEOUS_PART = 1 / 3
# What it takes most servers to have all their processes ready once the first of them answers.
IDLE_SECONDS = 3
VISITORS_AT_ONCE = 16


class Server:
    """The web server of one release on one host; workers' logs are read here too."""

    def __init__(self, params: Mapping[str, Any], units: release_units.Units, place: Place) -> None:
        """Take the module's parameters, the application's units, and the release."""
        self.params = params
        self.units = units
        self.place = place
        self.release: str = place.id
        self.probe = probe.Probe(params["host"], params["path"], params["web_user"])
        self.instance = self.release
        self.began = time.time()
        self.courtesy: priority.Courtesy | None = None

    @property
    def unit(self) -> str:
        """Return its unit."""
        return str(self.units.web(self.instance))

    @property
    def socket(self) -> str:
        """Return the path of its socket."""
        return str(self.units.socket(self.instance))

    def start(self, fresh: bool) -> None:
        """Start it; one that runs already and serves nobody is what a cut-off run left: that begins anew."""
        if self.instance != self.release:
            point(os.path.join(self.place.releases, self.instance), self.release)
        if self.instance == self.units.live and not fresh:
            self.units.start([self.unit], "start")
            return
        # Stopped, not restarted: the process that ends would still answer, and be taken for the one that begins.
        if release_units.is_active(self.unit):
            sockets.wait_until_quiet(self.socket, self.params["drain"])
        self.stop()
        self.units.forget(self.socket)
        self.units.start([self.unit], "start")

    def make_way(self) -> None:
        """Let what serves go first until this one is asked too."""
        self.courtesy = self.courtesy_of([self.unit])

    def courtesy_of(self, units: Iterable[str]) -> priority.Courtesy:
        """Return what lets others go first while units start."""
        return priority.Courtesy(release_units.ordinary(units), self.params["timeout"] * COURTEOUS_PART)

    def warm_up(self) -> None:
        """Let all its processes get ready before visitors meet them, and then run like any other."""
        number = priority.wait_until_idle([self.unit], IDLE_SECONDS)
        if number:
            self.probe.warm(self.socket, min(2 * number, VISITORS_AT_ONCE), IDLE_SECONDS)
        if self.courtesy:
            self.courtesy.end()

    def trouble(self) -> str:
        """Wait until it answers well; returns "", or why not and what it wrote."""
        meanwhile = [self.courtesy.keep] if self.courtesy else []
        why = self.probe.until_healthy(self.unit, self.socket, self.params["timeout"], *meanwhile)
        if not why:
            return ""
        text = self.journal_of(self.unit)
        return f"Release {self.release} does not answer for {self.probe.address}: {why}.\n{text}".strip()

    def trouble_in_front(self) -> str:
        """Ask as a visitor does, through nginx; returns "", or what is wrong."""
        why = self.probe.through_front(FRONT_SECONDS)
        if not why:
            return ""
        text = self.journal_of(self.unit).replace(release_text.NOTHING_WRITTEN, "")
        return (
            f"Release {self.release} answers on its socket, and does not through nginx ({self.probe.address} on this "
            f"machine): {why}.\n{text}".strip()
        )

    def journal_of(self, unit: str) -> str:
        """Return what a unit wrote since this began, cut to what tells.

        One of live code fails when a file is saved, before anything is typed: what it wrote then is told as well.
        """
        for since in (self.began - 1, 0) if self.release == LIVE_CODE else (self.began - 1,):
            text = release_units.journal(unit, since)
            told = str(release_text.journal_excerpt(text, os.path.realpath(self.place.path("source"))))
            if told != release_text.NOTHING_WRITTEN:
                break
        return told

    def take_visitors(self) -> None:
        """Lead nginx to it; its static files can be had before."""
        static_history.announce(self.place.root, self.release)
        self.units.lead_to(self.instance)

    def give_back(self, old: str) -> bool:
        """Lead nginx to another instance again and stop this one; returns False where that does not run."""
        if old in ("", self.instance) or not release_units.is_active(self.units.web(old)):
            return False
        self.units.lead_to(old)
        sockets.wait_until_quiet(self.socket, self.params["drain"])
        self.stop()
        return True

    def stop(self) -> None:
        """Stop it."""
        release_units.systemctl("stop", self.unit)
        release_units.systemctl("reset-failed", self.unit)
