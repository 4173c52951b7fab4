"""What a database would have after statements that are not run: tables and columns, and what could not be done."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...inside_app.schema import Catalogue

    Action = Mapping[str, Any]


class Simulation:
    """A catalogue (`inside_app/schema.py`) that follows what statements do."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Take what the database has now."""
        self.before = catalogue
        self.after = copy.deepcopy(catalogue)
        #: What could not be done: a table or a column that would be made and is there
        self.conflicts: list[str] = []
        #: Whether something was done of which nobody knows what it is
        self.unsure = False
        self.made = 0

    def run(self, actions: Iterable[Action]) -> list[str]:
        """Do what statements do; returns what of it could not be done."""
        begun = len(self.conflicts)
        for action in actions:
            do = getattr(self, "do_" + action["do"].replace(" ", "_"), None)
            if do:
                do(action)
        return self.conflicts[begun:]

    def name(self, action: Action) -> str:
        """Return the name in the catalogue of the table that an action is about; "" where there is none."""
        schema, table = action.get("schema", ""), str(action.get("table", ""))
        if not schema:
            return table if table in self.after else ""
        return next((one for one, about in self.after.items()
                     if about["schema"] == schema and one in (table, f"{schema}.{table}")), "")  # fmt: skip

    def columns(self, action: Action) -> dict[str, Any]:
        """Return the columns of the table that an action is about."""
        name = self.name(action)
        columns: dict[str, Any] = self.after[name]["columns"] if name else {}
        return columns

    def number(self) -> int:
        """Return a number that nothing in a database has."""
        self.made -= 1
        return self.made

    def do_unknown(self, _action: Action) -> None:
        """Nobody knows what it does."""
        self.unsure = True

    do_drop_owned = do_unknown

    def do_create_table(self, action: Action) -> None:
        """A table comes."""
        name = str(action["table"])
        if not self.name(action):
            columns = {column: [self.number(), False] for column in action["columns"]}
            self.after[name] = {"id": self.number(), "schema": action.get("schema", ""), "columns": columns}
        elif not action["lenient"]:
            self.conflicts.append(f"makes the table {name}")

    def do_drop_table(self, action: Action) -> None:
        """A table goes."""
        self.after.pop(self.name(action), None)

    def do_rename_table(self, action: Action) -> None:
        """A table gets another name."""
        name = self.name(action)
        if name:
            before, _, _own = name.rpartition(".")
            self.after[f"{before}.{action['to']}" if before else action["to"]] = self.after.pop(name)

    def do_set_schema(self, action: Action) -> None:
        """A table gets into another schema: where it is looked for, that of the others there says."""
        name = self.name(action)
        if name:
            searched = any(about["schema"] == action["to"] and "." not in one for one, about in self.after.items())
            about = {**self.after.pop(name), "schema": action["to"]}
            own = str(action["table"])
            self.after[own if searched else f"{action['to']}.{own}"] = about

    def do_drop_schema(self, action: Action) -> None:
        """A schema goes, with its tables, or gets another name."""
        for name in [one for one, about in self.after.items() if about["schema"] == action["schema"]]:
            about = self.after.pop(name)
            if action.get("renamed"):
                own = name.rpartition(".")[2]
                self.after[f"{action['renamed']}.{own}"] = {**about, "schema": action["renamed"]}

    def do_add_column(self, action: Action) -> None:
        """A column comes."""
        columns = self.columns(action)
        if action["column"] not in columns:
            must = bool(action["not_null"] and not action["default"])
            columns[action["column"]] = [self.number(), must]
        elif not action["lenient"]:
            self.conflicts.append(f"makes the column {action['table']}.{action['column']}")

    def do_drop_column(self, action: Action) -> None:
        """A column goes."""
        self.columns(action).pop(action["column"], None)

    def do_rename_column(self, action: Action) -> None:
        """A column gets another name."""
        columns = self.columns(action)
        if action["column"] in columns:
            columns[action["to"]] = columns.pop(action["column"])

    def do_set_default(self, action: Action) -> None:
        """The database fills a column."""
        columns = self.columns(action)
        if action["column"] in columns:
            columns[action["column"]][1] = False

    do_drop_not_null = do_set_default
