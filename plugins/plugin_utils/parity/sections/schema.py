"""Section `schema` in comparisons: tables and what belongs to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

ORDER, SHORT = 120, "tbl"
RULES = """
schema/* | release app_live_path | it follows from the release's migrations
"""
#: A digest of the other keys: those say the same, and what it is
SUMMARIES = ("digest",)
#: Kinds of keys whose values are an owner and rights before anything else, and what GRANT calls them
OWNED = {
    "table": "TABLE", "view": "TABLE", "materialized view": "TABLE", "foreign table": "TABLE", "sequence": "SEQUENCE",
    "schema": "SCHEMA",
}  # fmt: skip
#: What takes a thing away that holds no rows of its own
DROP = {
    "column": "ALTER TABLE IF EXISTS {table} DROP COLUMN IF EXISTS {name}",
    "constraint": "ALTER TABLE IF EXISTS {table} DROP CONSTRAINT IF EXISTS {name}",
    "foreign table": "DROP FOREIGN TABLE IF EXISTS {full}",
    "function": "DROP ROUTINE IF EXISTS {full}",
    "index": "DROP INDEX IF EXISTS {full}",
    "materialized view": "DROP MATERIALIZED VIEW IF EXISTS {full}",
    "policy": "DROP POLICY IF EXISTS {name} ON {table}",
    "trigger": "DROP TRIGGER IF EXISTS {name} ON {table}",
    "type": "DROP TYPE IF EXISTS {full}",
    "view": "DROP VIEW IF EXISTS {full}",
}
KINDS = {*OWNED, *DROP} - {"column"}
OWNER = re.compile(r"owner ([^\s,]+)")


def remedy(case: Case) -> str:
    """Tables are changed by migrations, whom they belong to by what puts the roles in order, rights by their owner."""
    first, _, rest = case.key.partition(":")
    kind, name = (first, rest) if first in KINDS else ("column", case.key)
    migration = f"write a migration, then {case.verb('deploy')}"
    if case.is_extra:
        statement = drop(case, kind, name)
        return case.dbshell(statement) if statement else migration
    if kind not in OWNED or case.is_lacking:
        return migration
    what = f"{OWNED[kind]} {case.sql.full_name(name)}"
    if statements := case.sql.grants(what, case.value_text, case.wanted_text):
        return case.dbshell(*statements)
    now, wanted = (OWNER.search(text) for text in (case.value_text, case.wanted_text))
    if not (now and wanted) or now[1] == wanted[1]:
        return migration
    if now[1] == "postgres":
        return case.provision
    return case.psql(f"ALTER {what} OWNER TO {case.sql.full_name(wanted[1])}", case.database)


def drop(case: Case, kind: str, name: str) -> str:
    """Return what takes a thing away, "" for one that holds rows, or whose name does not say where it is."""
    if kind not in DROP:
        return ""
    table, _, last = name.rpartition(".")
    if "{table}" in DROP[kind] and not table:
        return ""
    return DROP[kind].format(
        table=case.sql.full_name(table), name=case.sql.full_name(last), full=case.sql.full_name(name)
    )
