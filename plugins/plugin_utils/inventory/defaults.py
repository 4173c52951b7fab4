"""The part of an inventory that is Samestack's own: defaults of decisions, and the roles' variables made of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ansible import constants

from ..errors import Problem
from ..project_root import ENGINE

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Whose variables an inventory gets, the weakest first (ansible.cfg)
ORDER = ["samestack.core.defaults", "host_group_vars"]


def default_files() -> list[Path]:
    """Return the files with the default of every decision."""
    return sorted((ENGINE / "defaults").glob("*.yml"))


def wiring_files() -> list[Path]:
    """Return the files in which decisions become the roles' variables: the only ones that know two roles at once."""
    return sorted((ENGINE / "wiring").glob("*.yml"))


def order_problems() -> Iterator[Problem]:
    """Yield what is wrong where ansible.cfg does not give an inventory our defaults below its own files."""
    enabled = list(constants.VARIABLE_PLUGINS_ENABLED)
    if enabled[: len(ORDER)] != ORDER:
        place = Path(constants.CONFIG_FILE or "ansible.cfg").name
        what = "what you did not decide would have no value, or a default would win over what you decided"
        fix = f"Write vars_plugins_enabled = {', '.join(ORDER)} under [defaults]"
        yield Problem("vars_plugins_enabled", place, what, fix, ", ".join(enabled))
