"""Runs inside the application's own Python: which statements of a migration would disturb code that is running.

The rules are django-migration-linter's, which lies beside the application's packages for this process only. Added here
is what a linter of source files cannot know: which tables and columns the running code uses, how large the tables are,
and what type a column has now. A statement about anything else disturbs nobody.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

# Django is the application's: only its Python has it.
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

NAME = r'(?:"?\w+"?\.)?"?(\w+)"?'
TABLE = re.compile(
    r"(?:ALTER TABLE(?: IF EXISTS)?(?: ONLY)?|DROP TABLE(?: IF EXISTS)?|TRUNCATE(?: TABLE)?|LOCK TABLE"
    r"|CREATE (?:UNIQUE )?INDEX (?:CONCURRENTLY )?(?:IF NOT EXISTS )?\S+ ON(?: ONLY)?|REINDEX TABLE"
    rf"|CREATE TABLE(?: IF NOT EXISTS)?|UPDATE(?: ONLY)?|DELETE FROM) {NAME}",
    re.IGNORECASE,
)
COLUMN = re.compile(
    rf"(?:ADD COLUMN(?: IF NOT EXISTS)?|ALTER COLUMN|DROP COLUMN(?: IF EXISTS)?|RENAME COLUMN) {NAME}", re.IGNORECASE
)
NEW_TYPE = re.compile(r"ALTER COLUMN \S+ (?:SET DATA )?TYPE (.+?)(?: USING .*)?;?$", re.IGNORECASE)
CONSTRAINT = re.compile(r"ADD CONSTRAINT .* (CHECK|FOREIGN KEY|UNIQUE|EXCLUDE)\b(?!.* NOT VALID)", re.IGNORECASE)
REWRITTEN = re.compile(r"ADD COLUMN .*(\bSTORED\b|DEFAULT \(?\S*(random|uuid|clock_timestamp|nextval)\S*\()", re.I)
DEFAULT_GONE = re.compile(r"ALTER COLUMN \S+ DROP DEFAULT", re.IGNORECASE)
QUOTED = re.compile(r"""("[^"]*"|'(?:[^']|'')*')""")
WORDS = {
    "RENAME_TABLE": "renames the table {table}",
    "NOT_NULL": "{column} must not be empty, and the database has no default for it",
    "DROP_COLUMN": "drops the column {column}",
    "DROP_TABLE": "drops the table {table}",
    "RENAME_COLUMN": "renames the column {column}",
    "ALTER_COLUMN": "changes the type of {column}",
}
# The linter's codes for what only takes long where a table is large
SLOW = {
    "ADD_UNIQUE": "builds a unique constraint on {table}",
    "CREATE_INDEX": "builds an index on {table} without CONCURRENTLY",
    "REINDEX": "rebuilds an index of {table}",
    "REWRITE": "writes {table} anew",
}
# Integers that hold what the shorter ones do
INTEGERS = ("smallint", "integer", "bigint")


class Statement:
    """One SQL statement, and what it is about."""

    def __init__(self, text: str) -> None:
        """Take the statement as Django or the project wrote it."""
        lines = [line for line in text.splitlines() if not line.strip().startswith("--")]
        self.text = " ".join(" ".join(lines).split())
        found = TABLE.search(self.text)
        self.table = found[1] if found else ""
        found = COLUMN.search(self.text)
        self.column = found[1] if found else ""

    @property
    def upper(self) -> str:
        """Return it as the linter reads it: keywords in capitals, names as they are."""
        parts = QUOTED.split(self.text)
        return "".join(part if index % 2 else part.upper().replace("(", " (") for index, part in enumerate(parts))

    def words(self, template: str) -> str:
        """Return a sentence about it."""
        column = f"{self.table}.{self.column}" if self.column else f"a column of {self.table}"
        return template.format(table=self.table or "a table", column=column)


def of_use(statement: Statement, tables: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a statement can matter to the code; one that cannot be read might."""
    if not statement.table:
        return bool(statement.text)
    columns = tables.get(statement.table)
    if columns is None:
        return False
    # A column that the code does not know may go; that it must be filled is another matter.
    gone = re.search(r"\b(DROP COLUMN|RENAME COLUMN|TYPE)\b", statement.text, re.IGNORECASE)
    return not (statement.column and gone) or statement.column in columns


def harmless_type(statement: Statement, types: Mapping[str, str]) -> bool:
    """Return whether a change of type keeps every value and is done without looking at a row.

    PostgreSQL's manual, ALTER TABLE: "changing varchar to text or raising a length limit" needs no rewrite. An equal
    type (a collation or a comment that Django writes) needs nothing.
    """
    found = NEW_TYPE.search(statement.text)
    old = types.get(f"{statement.table}.{statement.column}", "")
    if not found or not old:
        return False
    new = found[1].strip().lower().replace("character varying", "varchar")
    if new == old or (old.startswith("varchar") and new in ("text", "varchar")):
        return True
    lengths = [re.fullmatch(r"varchar\((\d+)\)", one) for one in (old, new)]
    return bool(lengths[0] and lengths[1] and int(lengths[1][1]) >= int(lengths[0][1]))


def larger_integer(statement: Statement, types: Mapping[str, str]) -> bool:
    """Return whether a column only becomes a longer integer: the code reads on, the table is written anew."""
    found = NEW_TYPE.search(statement.text)
    old, new = types.get(f"{statement.table}.{statement.column}", ""), found[1].strip().lower() if found else ""
    return old in INTEGERS and new in INTEGERS and INTEGERS.index(new) > INTEGERS.index(old)


def issues(analyse: Callable[[list[str]], Sequence[Any]], statements: Sequence[Statement]) -> list[str]:
    """Return the linter's codes for statements."""
    return [issue.code for issue in analyse([statement.upper for statement in statements])]


@dataclass(frozen=True)
class Facts:
    """What a migration's statements are judged by."""

    #: What the running code uses: column names by table
    tables: Mapping[str, Sequence[str]]
    #: The columns' present types, by table.column
    types: Mapping[str, str]
    #: The tables' estimated rows, of which `many` are too many for a lock
    rows: Mapping[str, float]
    many: int = 0
    #: Columns that must not be empty, by table.column
    filled: Collection[str] = ()


def disturbing(
    analyse: Callable[[list[str]], Sequence[Any]], texts: Sequence[str], facts: Facts
) -> tuple[list[str], list[str]]:
    """Return (what the code cannot live with, what keeps it waiting) of a migration; `analyse` is the linter."""
    tables, types, rows, many = facts.tables, facts.types, facts.rows, facts.many
    statements = [statement for text in texts for statement in [Statement(text)] if of_use(statement, tables)]
    statements = [one for one in statements if not harmless_type(one, types)]
    breaking, slow = [], []
    for statement in statements:
        codes = issues(analyse, [statement])
        if "ALTER_COLUMN" in codes and larger_integer(statement, types):
            codes.remove("ALTER_COLUMN")
            codes.append("REWRITE")
        breaking += [statement.words(WORDS[code]) for code in codes if code in WORDS and code != "NOT_NULL"]
        number = rows.get(statement.table, 0)
        if number > many:
            known = [SLOW[code] for code in codes if code in SLOW] or slow_by_rule(statement)
            slow += [statement.words(words) + f" (about {round(number):,} rows)" for words in known]
    # A default of one column says nothing about another: column by column.
    columns = {(one.table, one.column): one for one in statements if one.column and "GENERATED" not in one.upper}
    for place, first in columns.items():
        same = [one for one in statements if (one.table, one.column) == place]
        if "NOT_NULL" in issues(analyse, same):
            breaking.append(first.words(WORDS["NOT_NULL"]))
        elif f"{first.table}.{first.column}" in facts.filled and needs_default(same):
            breaking.append(first.words("takes the default of {column} away"))
    return list(dict.fromkeys(breaking)), list(dict.fromkeys(slow))


def needs_default(statements: Sequence[Statement]) -> bool:
    """Return whether a column's default goes, and it must still be filled."""
    texts = " ".join(statement.upper for statement in statements)
    return bool(DEFAULT_GONE.search(texts)) and "DROP NOT NULL" not in texts


def slow_by_rule(statement: Statement) -> list[str]:
    """Return what a statement does to a whole table that the linter does not know."""
    if CONSTRAINT.search(statement.text):
        return ["checks every row of {table} for a constraint"]
    return [SLOW["REWRITE"]] if REWRITTEN.search(statement.text) else []


def linter(folder: str) -> Callable[[list[str]], Sequence[Any]]:
    """Return django-migration-linter's analysis of PostgreSQL statements (errors and warnings) from its own folder."""
    # The linter lies in a folder of its own, beside what the application installed.
    if folder not in sys.path:
        sys.path.append(folder)
    found = import_module("django_migration_linter.sql_analyser")

    def analyse(statements: list[str]) -> Sequence[Any]:
        errors, _ignored, warnings = found.analyse_sql_statements(found.PostgresqlAnalyser, statements, [])
        return [*errors, *warnings]

    return analyse
