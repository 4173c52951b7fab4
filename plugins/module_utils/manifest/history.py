"""What was recorded on this host: the manifests that differ, and one line a recording."""

from __future__ import annotations

import gzip
import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..common.files import write_atomic
from ..common.folders import PRIVATE, make_folder
from ..common.held_folder import Rights
from ..common.host_lock import private_lock
from ..common.ledger import OURS
from ..common.paths import STATE
from .record import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER = STATE
LINES_KEPT = 500
MANIFESTS_KEPT = 100
# How long a recording waits for another one (seconds): longer than one may take (manifest.service)
PATIENCE = 900
TIME = "%Y-%m-%dT%H:%M:%SZ"


class History:
    """The recordings of this host."""

    def __init__(self, folder: str = FOLDER) -> None:
        """Take where they are kept."""
        self.latest = os.path.join(folder, "manifest.json")
        self.lines_file = os.path.join(folder, "manifests.jsonl")
        self.folder = os.path.join(folder, "manifests")
        self.lock_file = os.path.join(folder, "recorder", "lock")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let one recording be made at a time."""
        with private_lock(self.lock_file, PATIENCE, "another recording is at work on this host"):
            yield

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Return the recordings, oldest first, without lines that are not whole."""
        found = []
        try:
            with open(self.lines_file, encoding="utf-8", errors="replace") as file:
                for text in file:
                    try:
                        line = json.loads(text)
                    except ValueError:
                        continue
                    if isinstance(line, dict) and line.get("digest"):
                        found.append(line)
        except FileNotFoundError:
            pass
        return found

    def path(self, digest: str) -> str:
        """Return where a manifest is kept."""
        return os.path.join(self.folder, f"{os.path.basename(digest)}.json.gz")

    def read(self, digest: str) -> dict[str, Any] | None:
        """Return a manifest, None where it is not kept any more or not whole."""
        try:
            with gzip.open(self.path(digest), "rt", encoding="utf-8") as file:
                content: dict[str, Any] = json.load(file)
                return content
        except (OSError, EOFError, ValueError):
            return None

    def add(self, text: str, about: Mapping[str, str]) -> dict[str, Any]:
        """Keep a manifest, and a line about its recording; returns the line."""
        digest = digest_of(text)
        with make_folder(self.folder, PRIVATE) as folder:
            if not self.read(digest):
                # Without a time in it: the same manifest is the same file.
                folder.write(
                    os.path.basename(self.path(digest)), gzip.compress(text.encode(), 6, mtime=0), Rights(0o600)
                )
        line = {"time": time.strftime(TIME, time.gmtime()), **about, "digest": digest}
        lines = self.bounded([*self.lines, line])
        write_atomic(self.lines_file, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines), 0o600)
        write_atomic(self.latest, text, 0o600)
        self.forget({one["digest"] for one in lines})
        return line

    def bounded(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the newest lines, of so many manifests, and the last one of a run of ours however old it is.

        Recordings that follow each other and found the same, by the same cause, are told by the first and the last.
        """
        kept: list[dict[str, Any]] = []
        for line in lines:
            again = len(kept) > 1 and all(same(line, before) for before in kept[-2:]) and line["cause"] not in OURS
            if again:
                kept.pop()
            kept.append(line)
        manifests: set[str] = set()
        newest: list[dict[str, Any]] = []
        for line in reversed(kept[-LINES_KEPT:]):
            manifests.add(line["digest"])
            if len(manifests) > MANIFESTS_KEPT:
                break
            newest.insert(0, line)
        last = next((line for line in reversed(kept) if line["cause"] in OURS), None)
        return newest if last is None or last in newest else [last, *newest]

    def forget(self, digests: set[str]) -> None:
        """Remove the manifests that no line names."""
        for name in os.listdir(self.folder):
            if name.split(".", 1)[0] not in digests:
                os.unlink(os.path.join(self.folder, name))

    @property
    def baseline(self) -> dict[str, Any] | None:
        """Return the last recording of a run of ours with its manifest; None where there is none."""
        for line in reversed(self.lines):
            if line["cause"] in OURS:
                content = self.read(line["digest"])
                return {**line, "manifest": content} if content else None
        return None


def same(line: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Return whether two recordings found the same thing, by the same cause."""
    return (line["digest"], line["cause"]) == (before["digest"], before["cause"])
