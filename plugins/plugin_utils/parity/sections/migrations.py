"""Section `migrations` in comparisons: applied migrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

ORDER, SHORT = 80, "mig"
RULES = """
migrations/* | release app_live_path | they belong to the release
"""


def remedy(case: Case) -> str:
    """Another release is deployed; one that is live already is not written again."""
    return case.verb("deploy")
