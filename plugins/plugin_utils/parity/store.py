"""Saved manifests on the control node: one folder a host, one file a recording, bounded.

`.samestack/manifests/<environment>/<host>/<time>-<digest>.json`; those of local stand-ins below `rehearsal/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .envelope import Envelope, EnvelopeError, read_envelope, write_envelope

if TYPE_CHECKING:
    from pathlib import Path

#: Recordings kept of each host
KEEP = 100
HOST = re.compile(r"\w[\w.-]*")
NAME = re.compile(r"(?P<time>\d{8}T\d{6}Z)-(?P<digest>[0-9a-f]{12})\.json")


@dataclass(frozen=True, order=True)
class Saved:
    """A recording that is at hand, not read yet."""

    #: As in the file's name: `20261125T140300Z`, which sorts by time
    time: str
    digest: str
    path: Path


class Store:
    """The saved manifests of one clone."""

    def __init__(self, folder: Path, keep: int = KEEP) -> None:
        """Take the folder (`.samestack/manifests`) and how many recordings of a host are kept."""
        self.folder = folder
        self.keep = keep

    def place(self, environment: str, *, rehearsal: bool) -> Path:
        """Return the folder of an environment, or of its stand-ins."""
        return self.folder / "rehearsal" / environment if rehearsal else self.folder / environment

    def save(self, envelope: Envelope) -> Path:
        """Write a recording and return its file; raises ValueError where it or its host has a name of another shape.

        Of recordings that say the same, one after the other, the first and the last are kept; the oldest of all go.
        """
        stamp = re.sub(r"[-:]", "", envelope.time)
        folder = self.place(envelope.environment, rehearsal=envelope.rehearsal) / envelope.host
        path = folder / f"{stamp}-{envelope.digest[:12]}.json"
        if not NAME.fullmatch(path.name) or not HOST.fullmatch(envelope.host):
            raise ValueError(f"{path.name!r} of {envelope.host!r} is no name of a recording")
        write_envelope(path, envelope)
        saved = self.recordings(folder)
        for first, middle, last in zip(saved, saved[1:], saved[2:], strict=False):
            if first.digest == middle.digest == last.digest:
                middle.path.unlink(missing_ok=True)
        for old in self.recordings(folder)[: -self.keep]:
            old.path.unlink(missing_ok=True)
        return path

    def recordings(self, folder: Path) -> list[Saved]:
        """Return the recordings in the folder of one host, oldest first."""
        found = ((NAME.fullmatch(path.name), path) for path in folder.glob("*.json"))
        return sorted(Saved(match["time"], match["digest"], path) for match, path in found if match)

    def history(self, environment: str, *, rehearsal: bool) -> dict[str, list[Saved]]:
        """Return each host's recordings, oldest first."""
        folder = self.place(environment, rehearsal=rehearsal)
        hosts = sorted(path for path in folder.glob("*") if path.is_dir())
        return {host.name: found for host in hosts if (found := self.recordings(host))}

    def at(self, environment: str, *, rehearsal: bool, until: str = "99991231T235959Z") -> list[Envelope]:
        """Return the last recording of each host of an environment up to a time; [] where there is none.

        Machines that the environment no longer had when the newest of them was recorded are left out. Raises
        EnvelopeError for a file that cannot be read.
        """
        found = [
            self.read(before[-1])
            for saved in self.history(environment, rehearsal=rehearsal).values()
            if (before := [one for one in saved if one.time <= until])
        ]
        if not found:
            return []
        hosts = max(found, key=lambda one: one.time).declared.get("topology") or {one.host: [] for one in found}
        return [envelope for envelope in found if envelope.host in hosts]

    def read(self, saved: Saved) -> Envelope:
        """Return the envelope of a recording; raises EnvelopeError."""
        name = saved.path
        if name.is_relative_to(self.folder.parent.parent):
            name = name.relative_to(self.folder.parent.parent)
        return read_envelope(saved.path, str(name))

    def has(self, environment: str, *, rehearsal: bool) -> bool:
        """Return whether there is any recording of an environment."""
        return bool(self.history(environment, rehearsal=rehearsal))


def read_of_host(path: Path, store: Path) -> Envelope:
    """Return the envelope in a file of a run's facts; raises EnvelopeError for one that is not where it belongs."""
    envelope = read_envelope(path)
    home = Store(store).place(envelope.environment, rehearsal=envelope.rehearsal) / envelope.host
    if path.parent != home or not NAME.fullmatch(path.name):
        raise EnvelopeError(str(path), "this is no recording of this computer's", "Run the same command again")
    return envelope


__all__ = ["EnvelopeError", "Saved", "Store", "read_of_host"]
