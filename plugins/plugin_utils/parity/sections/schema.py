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
#: Kinds of keys whose values are an owner and grants before anything else
OWNED = ("table", "sequence", "schema")


def remedy(case: Case) -> str:
    """Tables are changed by migrations, whom they belong to by what puts the roles in order."""
    kind, _, _ = case.key.partition(":")
    if kind in OWNED and not case.is_extra and not case.is_lacking:
        return case.provision
    table, _, column = case.key.partition(".")
    if case.is_extra and column:
        prompt = case.verb("dbshell", " --as owner")
        return f"{prompt}, there: ALTER TABLE {table} DROP COLUMN {column}; or write a migration"
    return f"write a migration, then {case.verb('deploy')}"
