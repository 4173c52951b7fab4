"""Somebody has looked at the release that serves, and finds it good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.errors import HostError
from ..common.ledger import accepted_releases, read_ledger
from ..release.place import LIVE_CODE

if TYPE_CHECKING:
    from .state import Answer, Environment


def accept(environment: Environment, message: str) -> Answer:
    """Record that the release that serves is accepted, with its bytes; raises HostError where none serves."""
    live = environment.live
    if not live:
        raise HostError(
            f"there is nothing to accept: no release serves on {environment.name} yet",
            "Deploy one first: `./samestack deploy`.",
        )
    if live["release"] == LIVE_CODE:
        raise HostError(
            f"there is nothing to accept: {environment.name} serves live code, which is no release",
            "Accept what staging serves: `./samestack accept staging`.",
        )
    name = live["release"] + (f" ({live['label']})" if live.get("label") else "")
    before = accepted_releases(read_ledger(environment.run.folder)).get(live["release"])
    if before and before.get("sha256") == live.get("sha256"):
        return False, [f"Release {name} was accepted by {before.get('who')} at {before.get('time')}"]
    environment.run.succeed(accepted=True, **live, **({"message": message} if message else {}))
    return True, [f"Release {name} is accepted"]
