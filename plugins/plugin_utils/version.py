"""Versions of Samestack: three numbers, with a `v` before them where they name a tag. The standard library only."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

ENGINE = Path(__file__).resolve().parents[2]
PATTERN = re.compile(r"v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})")


class Version(NamedTuple):
    """A version; a later one is greater."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        """Return it as samestack.lock has it."""
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def tag(self) -> str:
        """The name of its tag."""
        return f"v{self}"


def parsed(text: str) -> Version:
    """Return the version that a text is, `1.4.0` or `v1.4.0`. Raises ValueError where it is none."""
    found = PATTERN.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text}: this is no version")
    return Version(*map(int, found.groups()))


def version_in(engine: Path) -> str:
    """Return the version of the Samestack in a folder, a clone or what ansible-galaxy installed; "0" for none."""
    installed = engine / "MANIFEST.json"
    if installed.is_file():
        return str(json.loads(installed.read_text(encoding="utf-8"))["collection_info"]["version"])
    try:
        text = (engine / "galaxy.yml").read_text(encoding="utf-8")
    except OSError:
        return "0"
    found = re.search(r"^version: (\S+)$", text, re.MULTILINE)
    return found[1] if found else "0"


def own_version() -> str:
    """Return the version of this Samestack."""
    return version_in(ENGINE)
