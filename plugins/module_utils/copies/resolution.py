"""What each column of a database becomes: the project's statements, our rules, and what neither of them says.

Whatever could hold somebody's words and is not declared is a problem, and one problem stops the copy.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import rules, statements
from .statements import Statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .catalogue import Catalogue, Column, Key, Table

FILE = "sanitise.yml"
ALIKE = 0.75


@dataclass
class Resolution:
    """What is to be done, and what is in the way."""

    #: By table and column, of those that do not stay as they are
    changes: dict[str, dict[str, Statement]] = field(default_factory=dict)
    #: Tables without their rows
    empty: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    #: (name, table, column, type) of what nobody has declared
    undeclared: list[tuple[str, str, Column]] = field(default_factory=list)


class Resolver:
    """Works out what becomes of one database."""

    def __init__(self, catalogue: Catalogue, plan: Mapping[str, Any]) -> None:
        """Take what the database has, and the plan.

        The plan has `tables`: by table (with its schema or without) and column the statement as a mapping, with "" for
        the whole table; `models`: by table, its model's label and what its columns are called there; `passwords`: the
        columns of password hashes by table; and `objects`: what becomes of large objects.
        """
        self.catalogue = catalogue
        self.declared: Mapping[str, Mapping[str, Mapping[str, Any]]] = plan["tables"]
        self.models: Mapping[str, Mapping[str, Any]] = plan.get("models") or {}
        self.passwords = {table: set(names) for table, names in (plan.get("passwords") or {}).items()}
        self.objects = str(plan.get("objects") or "")
        self.found = Resolution()

    def resolve(self) -> Resolution:
        """Return what becomes of everything."""
        self.unknown()
        for table in self.catalogue.tables.values():
            self.table(table)
        self.follow_keys()
        self.leave_out()
        self.undeclared()
        if self.catalogue.objects and self.objects not in ("none", "keep"):
            self.found.problems.append(
                f"The database has {self.catalogue.objects} large objects. Write `large_objects: none` in {FILE}, "
                "or `keep`."
            )
        return self.found

    def said_of(self, table: Table) -> dict[str, Statement]:
        """Return the project's statements about a table, by column."""
        said = self.declared.get(table.name) or self.declared.get(table.bare) or {}
        return {
            column: Statement(one["kind"], one.get("value"), one.get("place", ""), self.label(table, column))
            for column, one in said.items()
        }

    def label(self, table: Table, column: str) -> str:
        """Return what people call a column: by its model, where there is one."""
        model = self.models.get(table.name) or self.models.get(table.bare)
        if not model:
            return f"{table.name}.{column}" if column else table.name
        return f"{model['label']}.{model['fields'].get(column, column)}" if column else str(model["label"])

    def table(self, table: Table) -> None:
        """Work out one table."""
        said = self.said_of(table)
        whole = said.pop("", None)
        why, secret = rules.left_out(table), rules.is_secret(table)
        if secret and (said or (whole and whole.kind == statements.KEEP)):
            first = whole or next(iter(said.values()))
            self.refuse(first, f"{table.name} is never copied: {why}. Take the lines about it away")
        if secret or (why and not said and not whole) or (whole and whole.kind == statements.EMPTY):
            self.found.empty.append(table.name)
            return
        changes: dict[str, Statement] = {}
        for column, rule, is_key in rules.of_columns(table, self.passwords):
            changes[column.name] = Statement(rule["kind"], rule.get("value"), "", self.label(table, column.name))
            own = said.get(column.name)
            if is_key and own and own.kind == statements.KEEP:
                self.refuse(own, "a password hash is never copied. Take the line away, or write unusable password")
                said.pop(column.name)
        for name, statement in said.items():
            about = table.columns.get(name)
            if about and (wrong := self.wrong(statement, about)):
                self.refuse(statement, wrong)
            elif about:
                changes[name] = statement
        if whole:
            for name, column in table.columns.items():
                if not column.generated:
                    changes.setdefault(name, Statement(statements.KEEP, None, whole.place, self.label(table, name)))
        self.found.changes[table.name] = changes

    @staticmethod
    def wrong(statement: Statement, column: Column) -> str:
        """Return what is wrong with a statement about a column."""
        if column.generated and statement.kind != statements.KEEP:
            return "PostgreSQL works it out from other columns. Take the line away"
        return statements.problem(statement, column)

    def refuse(self, statement: Statement, what: str) -> None:
        """Keep a problem with a statement."""
        where = statement.place or FILE
        text = f"{statement.name}: {statement.words} (in {where}): {what}."
        if text not in self.found.problems:
            self.found.problems.append(text)

    def follow_keys(self) -> None:
        """Let a column that points at another one become what that becomes; both would point at nothing otherwise."""
        for _round in range(len(self.catalogue.keys) + 1):
            if not [key for key in self.catalogue.keys if self.follow(key)]:
                return

    def follow(self, key: Key) -> bool:
        """Carry what becomes of a key's target over to it; returns whether that was news."""
        mine, theirs = self.found.changes.get(key.table), self.found.changes.get(key.to)
        news = False
        for column, target in key.columns:
            if mine is None or theirs is None or column in mine or target not in theirs:
                continue
            mine[column] = theirs[target]
            news = True
        return news

    def undeclared(self) -> None:
        """Name what may hold somebody's words and is not declared."""
        for table, column in self.catalogue.columns():
            changes = self.found.changes.get(table.name)
            if changes is None or column.harmless or column.generated or column.name in changes:
                continue
            self.found.undeclared.append((self.label(table, column.name), table.name, column))

    def leave_out(self) -> None:
        """Let what points at rows that are left out point at nothing, where it may."""
        gone = set(self.found.empty)
        for key in self.catalogue.keys:
            if key.to not in gone or key.table in gone:
                continue
            columns = self.catalogue.tables[key.table].columns
            free = [name for name, _target in key.columns if not columns[name].required]
            changes = self.found.changes[key.table]
            if free:
                label = self.label(self.catalogue.tables[key.table], free[0])
                changes[free[0]] = Statement(statements.NULL, None, "", label)
                continue
            table = self.catalogue.tables[key.table]
            self.found.problems.append(
                f"{self.label(table, key.columns[0][0])} must point at a row of {key.to}, which is left out. "
                f"Leave out {self.label(table, '')} too (`empty`), or declare the columns of {key.to}."
            )

    def unknown(self) -> None:
        """Name what is declared and is not there: a slip where something there has nearly the same name."""
        names = {name for table in self.catalogue.tables.values() for name in (table.name, table.bare)}
        for name, columns in self.declared.items():
            if name not in names:
                self.slip(name, names - set(self.declared), columns.values(), name)
                continue
            tables = [one for one in self.catalogue.tables.values() if name in (one.name, one.bare)]
            there = {column for table in tables for column in table.columns}
            for column, statement in columns.items():
                if column and column not in there:
                    self.slip(column, there - set(columns), [statement], f"{name}.{column}")

    def slip(self, name: str, free: Iterable[str], said: Iterable[Mapping[str, Any]], whole: str) -> None:
        """Keep a name that is not there: a problem where it looks like a slip, else a note."""
        place = next((str(one.get("place")) for one in said if one.get("place")), FILE)
        if near := difflib.get_close_matches(name, sorted(free), n=1, cutoff=ALIKE):
            self.found.problems.append(f"{whole} (in {place}): the database has none. Did you mean {near[0]}?")
        else:
            self.found.notes.append(f"{whole} (in {place}) is not in this database: nothing is done about it")


def refusal(found: Resolution) -> str:
    """Return why there is no copy: all that is undeclared, and all that is wrong; "" where nothing is."""
    lines = list(found.problems)
    if found.undeclared:
        named = [f"  {name}: {column.type}" for name, _table, column in found.undeclared]
        lines.append(
            f"Not declared in {FILE}, so nobody knows what may leave of them ({len(named)}):\n" + "\n".join(named)
        )
    return "\n".join(lines)
