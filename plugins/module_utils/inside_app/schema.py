"""What a database has, and what a change takes from code that uses it. Runs on a host and in the application's Python.

A catalogue is a dictionary: by the name of a table (with its schema where that is not searched) its `id`, which stays
when it is renamed, its `schema`, and its `columns`: by name the number, which stays too, and whether a row must have a
value there that the database does not give.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Catalogue = dict[str, dict[str, Any]]
    Uses = Mapping[str, Iterable[str]]

# A trigger before INSERT (2 and 4 of `tgtype`) may fill whatever a row lacks.
CATALOGUE = """
SELECT CASE WHEN pg_table_is_visible(c.oid) THEN '' ELSE n.nspname || '.' END || c.relname, c.oid::bigint, n.nspname,
  a.attname, a.attnum, a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND NOT EXISTS (
    SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 6 = 6)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY c.oid, a.attnum"""


def catalogue(rows: Iterable[tuple[Any, ...]]) -> Catalogue:
    """Return the catalogue of a query's rows."""
    found: Catalogue = {}
    for table, number, schema, column, place, must in rows:
        about = found.setdefault(table, {"id": number, "schema": schema, "columns": {}})
        if column is not None:
            about["columns"][column] = [place, bool(must)]
    return found


def lost(uses: Uses, before: Catalogue, after: Catalogue) -> list[tuple[str, str]]:
    """Return the (table, column) that code uses, that a database had, and that a change has taken from it.

    The column is "" where it is the whole table. One that was renamed is the same one: what has its name now may be
    what had another name, but never a new, empty one.
    """
    names = {about["id"]: name for name, about in before.items()}
    found = []
    for table, columns in uses.items():
        if table not in before:
            continue
        if table not in after or after[table]["id"] not in names:
            found.append((table, ""))
            continue
        had, has = before[names[after[table]["id"]]]["columns"], after[table]["columns"]
        numbers = {place for place, _must in had.values()}
        found += [(table, one) for one in columns if one in had and (one not in has or has[one][0] not in numbers)]
    return found


def dropped(before: Catalogue, after: Catalogue) -> list[str]:
    """Return the tables that a change has dropped, by the names that they had."""
    left = {about["id"] for about in after.values()}
    return [name for name, about in before.items() if about["id"] not in left]


def misfits(uses: Uses, database: Catalogue) -> list[tuple[str, str, str]]:
    """Return why code that uses tables and columns cannot live with a database: (table, column, reason).

    The reasons are `missing` and `unfilled`: a column that the code does not know and that no row may leave empty.
    """
    found = []
    for table, columns in uses.items():
        if table not in database:
            found.append((table, "", "missing"))
            continue
        has = database[table]["columns"]
        found += [(table, one, "missing") for one in columns if one not in has]
        known = set(columns)
        found += [(table, one, "unfilled") for one, (_place, must) in has.items() if must and one not in known]
    return found
