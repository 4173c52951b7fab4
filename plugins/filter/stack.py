"""The stack lock, and what a host has to install by it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

from ..plugin_utils.stack.lock import read_lock
from ..plugin_utils.stack.plan import host_plan, preview

if TYPE_CHECKING:
    from collections.abc import Callable


def stack_lock(path: str) -> dict[str, Any]:
    """Return the sections of the stack lock in a file, {} where there is none; raises AnsibleFilterError."""
    sections, problems = read_lock(Path(path))
    if problems:
        raise AnsibleFilterError(str(problems[0]))
    return sections


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"stack_lock": stack_lock, "stack_plan": host_plan, "stack_preview": preview}
