"""Section `schema` in comparisons: tables and what belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

ORDER, SHORT = 120, "tbl"
RULES = """
schema/* | release app_live_path | it follows from the release's migrations
"""
#: A digest of the other keys: those say the same, and what it is
SUMMARIES = ("digest",)


def remedy(case: Case) -> str:
    """Tables are changed by migrations."""
    table, _, column = case.key.partition(".")
    if case.is_extra and column:
        return f"{case.verb('dbshell')}, there: ALTER TABLE {table} DROP COLUMN {column}; or write a migration"
    return f"write a migration, then {case.verb('deploy')}"
