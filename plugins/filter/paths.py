"""Paths of the control node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..plugin_utils.project_root import project_path

if TYPE_CHECKING:
    from collections.abc import Callable


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"repository_path": project_path}
