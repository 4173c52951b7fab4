"""Paths of the control node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..plugin_utils.project_root import ENGINE, own_state_inside, project_path

if TYPE_CHECKING:
    from collections.abc import Callable


def engine_path(path: str) -> str:
    """Return a path inside of our own folder as an absolute one."""
    return str(ENGINE / path)


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "engine_path": engine_path, "repository_path": project_path, "own_state_inside": own_state_inside,
        }  # fmt: skip
