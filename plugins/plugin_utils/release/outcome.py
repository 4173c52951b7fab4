"""How a run ended, by what Ansible itself says of every step: no step has to be on a list to be seen failing.

Who is told that a run begins is told how it ended. What that takes is handed from the step that tells the first to the
end of the run in Ansible's temporary folder, which is this run's own and goes with it. Runs on the control node.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible import constants

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What says which release a host serves: before the switch, and after it
PLACED = ("samestack.core.release_build", "samestack.core.release_ship")
SWITCHED = "samestack.core.release_activate"
OURS = "samestack.core."
INTERRUPTED = "The run was interrupted."


class Outcome:
    """What became of a run: `reason` of the first failure, and `served`, the release of each host."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.reason = ""
        self._before: dict[str, str] = {}
        self._after: dict[str, str] = {}

    @property
    def served(self) -> dict[str, str]:
        """Return the release that each host serves, as far as the run got to know it."""
        return self._before | self._after

    def saw(self, host: str, action: str, result: Mapping[str, Any]) -> None:
        """Take up a step's result."""
        if action in PLACED and result.get("current"):
            self._before[host] = str(result["current"])
        if action == SWITCHED and result.get("live"):
            self._after[host] = str(result["live"])
        # The site was opened again before the run ends.
        if action.startswith(OURS) and result.get("trouble"):
            self.failed(action, "", {"msg": result["trouble"]})

    def failed(self, action: str, step: str, result: Mapping[str, Any]) -> None:
        """Take up why a step failed; the first one is why the run did."""
        parts = [one for one in result.get("results") or [] if isinstance(one, dict) and one.get("failed")]
        message = str((parts[0] if parts else result).get("msg") or "")
        # Our own messages say what they are about.
        self.reason = self.reason or (message if action.startswith(OURS) or not step else f"{step}: {message}")

    def notice(self, start: Mapping[str, Any], failed: bool, now: float) -> dict[str, Any]:
        """Return the last notice, made from the first one; `now` in seconds since the epoch."""
        seconds = {"seconds": round(now - start["here"], 1)} if "here" in start else {}
        end = {"event": "end", "result": "failed" if failed else "ok", "reason": self.reason if failed else ""}
        return {**start, **seconds, **end, "served": self.served}


def _file() -> Path:
    return Path(constants.DEFAULT_LOCAL_TMP) / "samestack-told.json"


def promise(urls: Sequence[str], start: Mapping[str, Any]) -> None:
    """Keep what the last notice needs: where it goes to (secret), and the first one. Raises OSError."""
    handle = os.open(_file(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({"urls": list(urls), "start": dict(start)}, file)


def promised() -> dict[str, Any] | None:
    """Return what was kept, once; None where nobody was told that the run begins."""
    try:
        kept: dict[str, Any] = json.loads(_file().read_text(encoding="utf-8"))
        _file().unlink()
    except (OSError, ValueError):
        return None
    return kept
