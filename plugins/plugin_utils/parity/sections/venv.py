"""Section `venv` in comparisons: the release's packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

ORDER, SHORT = 60, "env"
RULES = """
venv/* | release app_live_path architecture | it belongs to the release
"""


def remedy(case: Case) -> str:
    """The same, where the packages are not those that were built; another release brings others."""
    return case.verb("repair") if case.drifted else case.verb("deploy")
