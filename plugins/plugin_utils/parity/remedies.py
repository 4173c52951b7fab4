"""What mends a difference: a verb of ours, or the exact command to be typed on the host. Pure.

The other way out is always there: make the difference a decision in the inventory, then provision all environments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .cases import Case, cases
from .section import SECTIONS, provision

if TYPE_CHECKING:
    from .compare import Comparison, Difference


def mends(difference: Difference, comparison: Comparison) -> list[str]:
    """Return the commands that mend a difference, one for each environment that it is marked on."""
    return list(dict.fromkeys(mend(difference.section, case) for case in cases(difference, comparison)))


def mend(section: str, case: Case) -> str:
    """Return the command for one case."""
    return SECTIONS[section].remedy(case) if section in SECTIONS else provision(case)
