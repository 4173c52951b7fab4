"""Proves of a copy that it has nothing of the original where that was to be: by its own rows, not by who made it.

What the columns had is kept beside, in the copy, before anything is changed. Afterwards a value that is meant to be
another one must not be among them; of a value that has few others to become (numbers, dates), its own row must have
another one; what is emptied must be empty, and what is left out must have no rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..common.errors import HostError
from ..common.postgresql import identifier, literal
from .statements import CONSTANT, EMPTY, KEEP, NULL, SPACE, WIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .catalogue import Catalogue, Column, Table
    from .resolution import Resolution
    from .statements import Statement


DISTINCT = "SELECT DISTINCT v {values}"
BY_ROW = "SELECT {row} AS r, {name}::pg_catalog.text AS v FROM {place}"
HAS_ROWS = "SELECT EXISTS (SELECT FROM {place})"
#: How many there are, and how many of these should not be
FULL = "SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE {wrong}) FROM {place}"
COMMON = """
SELECT (SELECT pg_catalog.count(*) FROM {original}), pg_catalog.count(*)
FROM (SELECT DISTINCT v {values}) c JOIN {original} o ON o.v = c.v"""
#: Nothing is before or after infinity.
SAME_ROW = """
SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (
  WHERE o.v = {name}::pg_catalog.text AND o.v NOT IN ('infinity', '-infinity'))
FROM {place} JOIN {original} o ON o.r = {row}"""
COUNT = "(SELECT pg_catalog.count(*) FROM {place})"
BLANK = """('', '{}', '[]', '""', 'null', '\\x')"""


class Proof:
    """What is to be proven of one copy."""

    def __init__(self, ask: Callable[[str], str], found: Resolution, there: Catalogue) -> None:
        """Take how the copy is asked, what was to become of what, and what it has."""
        self.ask, self.found, self.there = ask, found, there

    def changed(self) -> Iterator[tuple[int, Table, Column, Statement]]:
        """Yield the columns that do not stay as they are, with a number each."""
        number = 0
        for name, changes in self.found.changes.items():
            for column, statement in changes.items():
                if statement.kind != KEEP and name not in self.found.empty:
                    number += 1
                    yield number, self.there.tables[name], self.there.tables[name].columns[column], statement

    def keep_originals(self) -> None:
        """Keep beside what the columns have now."""
        self.ask("".join(self.original(*one) for one in self.changed()))

    @staticmethod
    def original(number: int, table: Table, column: Column, statement: Statement) -> str:
        """Return the SQL that keeps what a column has."""
        if statement.kind in (CONSTANT, EMPTY, NULL):
            return ""
        if is_wide(column):
            query = DISTINCT.format(values=values(table, column))
        elif table.key:
            query = BY_ROW.format(row=row(table), name=identifier(column.name), place=place(table))
        else:
            return ""
        return f"CREATE TABLE {SPACE}.original_{number} AS {query};\n"

    def check(self) -> dict[str, Any]:
        """Return what was looked at; raises HostError, which names the columns, where something has come through."""
        columns = values_seen = 0
        come_through = []
        for number, table, column, statement in self.changed():
            sql = self.question(number, table, column, statement)
            if not sql:
                continue
            seen, common = (int(part) for part in self.ask(sql).split("|"))
            columns, values_seen = columns + 1, values_seen + seen
            if common:
                come_through.append(f"{statement.name}: {statement.words}: {common} of {seen}")
        for name in self.found.empty:
            table = self.there.tables[name]
            if self.ask(HAS_ROWS.format(place=place(table))) == "t":
                come_through.append(f"{name}: has rows, and was to be left out")
        if come_through:
            raise HostError(
                "Values of the original are in the copy, which is thrown away: " + "; ".join(come_through) + ".",
                "Where the rows had such values before (example.invalid), change or empty the column another way.",
            )
        return {"columns": columns, "compared": values_seen, "common": 0, "rows": self.rows()}

    @staticmethod
    def question(number: int, table: Table, column: Column, statement: Statement) -> str:
        """Return the SQL that answers how many values there are, and how many should not be."""
        name = identifier(column.name)
        original = f"{SPACE}.original_{number}"
        wrong = ""
        if statement.kind == NULL:
            wrong = f"{name} IS NOT NULL"
        elif statement.kind == CONSTANT:
            # Some types are compared with nothing, but all have a text.
            constant = f"{literal(str(statement.value))}::{column.type}::pg_catalog.text"
            wrong = f"{name}::pg_catalog.text IS DISTINCT FROM {constant}"
        elif statement.kind == EMPTY:
            wrong = f"{name}::pg_catalog.text NOT IN {BLANK}"
        if wrong:
            return FULL.format(wrong=wrong, place=place(table))
        if is_wide(column):
            return COMMON.format(original=original, values=values(table, column))
        if not table.key:
            return ""
        return SAME_ROW.format(name=name, place=place(table), original=original, row=row(table))

    def rows(self) -> int:
        """Return how many rows the copy has."""
        tables = [table for name, table in self.there.tables.items() if name not in self.found.empty]
        parts = [COUNT.format(place=place(table)) for table in tables]
        return int(self.ask(f"SELECT {' + '.join(parts) or 0}"))


def in_short(about: Mapping[str, Any]) -> str:
    """Return what the ledger says of a copy in a few words."""
    whose = f"for {about['for']}" if about.get("for") else f"of {about.get('from') or 'a file'}"
    proven = f", {about['common']} of {about['compared']} values left" if "compared" in about else ""
    return f"a copy {whose}" + (f": {about['rows']} rows{proven}" if "rows" in about else "")


def is_wide(column: Column) -> bool:
    """Return whether a value that is made up cannot be one of the originals by chance."""
    return column.base in WIDE


def place(table: Table) -> str:
    """Return what stands for a table's own rows in SQL."""
    name = f"{identifier(table.schema)}.{identifier(table.bare)}"
    return name if table.partitioned else f"ONLY {name}"


def row(table: Table) -> str:
    """Return the SQL of a text that tells a row from others."""
    return f"pg_catalog.concat_ws('/', {', '.join(f'{identifier(name)}::pg_catalog.text' for name in table.key)})"


def values(table: Table, column: Column) -> str:
    """Return the SQL from FROM on of a column's values as texts `v`, those in lists one by one; no empty ones."""
    name = identifier(column.name)
    if column.listed:
        source = f"FROM {place(table)}, pg_catalog.unnest({name}) AS u(e), LATERAL (SELECT e::pg_catalog.text AS v) x"
    else:
        source = f"FROM {place(table)}, LATERAL (SELECT {name}::pg_catalog.text AS v) x"
    return f"{source} WHERE v <> {literal(chr(92) + 'x') if column.base == 'bytea' else literal('')}"
