"""The archives of releases on the control node: `.samestack/releases/`, of bounded size, each checked on arrival."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, Any

from ...module_utils.release.files.contents import Archive, Contents, DamageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

UNFINISHED_SECONDS = 86400


class Store:
    """The archives of one application; the limit (bytes) counts for all applications together."""

    def __init__(self, base: Path, app: str) -> None:
        """Take the repository's folder and the application's name."""
        self.folder = base / ".samestack" / "releases"
        self.app = app

    def release(self, release: str) -> Path:
        """Return where a release's archive is, or would be."""
        return self.folder / f"{self.app}-{release}.tar.gz"

    def venv(self, vid: str) -> Path:
        """Return where an environment's archive is, or would be."""
        return self.folder / f"{self.app}-venv-{vid}.tar.gz"

    def holds(self, release: str, sha256: str = "") -> Contents | None:
        """Return the contents of a release that is here with its environment, None else; `sha256` "" takes any."""
        contents = self._contents(self.release(release), sha256)
        return contents if contents and contents.venv and self.holds_venv(*contents.venv) else None

    def holds_venv(self, vid: str, sha256: str) -> bool:
        """Return whether an environment is here."""
        return self._contents(self.venv(vid), sha256) is not None

    def _contents(self, path: Path, sha256: str) -> Contents | None:
        try:
            contents = Archive(str(path), sha256).contents
        except (DamageError, OSError):
            return None
        os.utime(path)
        return contents

    def inputs(self, release: str) -> dict[str, Any]:
        """Return the inputs of a release that is here; raises DamageError."""
        for member in Archive(str(self.release(release))).files():
            if member.path == "release.json":
                record: dict[str, Any] = json.loads(b"".join(member.chunks()))
                return dict(record["inputs"])
        raise DamageError(f"{self.release(release)} is damaged: release.json is missing")

    def take(self, path: Path, sha256: str, fetch: Callable[[str], None]) -> None:
        """Have an archive fetched to the given place, and keep it when every byte is right; raises DamageError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        arriving = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            fetch(str(arriving))
            Archive(str(arriving), sha256).check()
            arriving.replace(path)
        except DamageError as error:
            raise DamageError(str(error).replace(str(arriving), f"{path.name}, as it arrived,")) from error
        finally:
            arriving.unlink(missing_ok=True)

    def remove_damaged(self, release: str, vid: str) -> list[str]:
        """Remove a release's archives that are not whole; returns their names."""
        removed = []
        for path in (self.release(release), self.venv(vid)):
            try:
                Archive(str(path)).check()
            except DamageError:
                path.unlink(missing_ok=True)
                removed.append(path.name)
            except FileNotFoundError:
                continue
        return removed

    def trim(self, limit: int, in_hand: Iterable[Path]) -> list[str]:
        """Remove the archives that were used longest ago while all are larger than the limit; returns their names."""
        keep = set(in_hand)
        files = [(path.stat(), path) for path in self.folder.glob("*.tar.gz")]
        total = sum(status.st_size for status, _path in files)
        removed = []
        for status, path in sorted(files, key=lambda pair: pair[0].st_mtime):
            if total <= limit:
                break
            if path not in keep:
                path.unlink(missing_ok=True)
                total -= status.st_size
                removed.append(path.name)
        self._clear_unfinished()
        return removed

    def _clear_unfinished(self) -> None:
        """Remove what runs left that were killed."""
        for path in self.folder.glob("*.tar.gz.*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > UNFINISHED_SECONDS:
                    path.unlink()
