"""Filters of role watch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plugin_utils.project_root import ENGINE
from .recorder import program_files

if TYPE_CHECKING:
    from collections.abc import Callable

#: What the program `watch` of a host is made of, as it lies in module_utils
PROGRAM = (
    "__init__.py", "common/*.py", "watch/*.py", "watch/checks/*.py", "packages/__init__.py",
    "packages/stale_services.py", "release/__init__.py", "release/place.py", "standalone/__init__.py",
    "standalone/certificates.py",
)  # fmt: skip


def watch_program_files(folder: str) -> list[dict[str, str]]:
    """Return `system_state` entries that put the program of a host into a folder; roles bring checks of services."""
    more = {f"watch/checks/{path.name}": path for path in ENGINE.glob("roles/*/watch/*.py")}
    return program_files(folder, PROGRAM, more)


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., object]]:
        """Return the filters by name."""
        return {"watch_program_files": watch_program_files}
