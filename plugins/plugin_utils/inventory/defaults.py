"""The part of an inventory that is Samestack's own: defaults of decisions, and the roles' variables made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..project_root import ENGINE

if TYPE_CHECKING:
    from pathlib import Path


def default_files() -> list[Path]:
    """Return the files with the default of every decision."""
    return sorted((ENGINE / "defaults").glob("*.yml"))


def wiring_files() -> list[Path]:
    """Return the files in which decisions become the roles' variables: the only ones that know two roles at once."""
    return sorted((ENGINE / "wiring").glob("*.yml"))
