"""Which statements of a migration disturb code that is running: what they do is known (`standalone/read_sql.py`).

A parser knows what a statement says, not whom it disturbs. That follows from which tables and columns the running code
uses, how large the tables are, and what a column is now. A statement about anything else disturbs nobody; what nobody
can tell before it runs (DO, functions, triggers) is said and refuses nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    Action = Mapping[str, Any]

#: Integers that hold what the shorter ones do
INTEGERS = ("smallint", "integer", "bigint")
LENGTH = re.compile(r"character varying\((\d+)\)")
NUMERIC = re.compile(r"numeric\((\d+)(?:,(\d+))?\)")
#: What happens to a table, by what an action does
TO_TABLES = {
    "drop table": "drops the {kind} {table}",
    "rename table": "renames the table {table}",
    "set schema": "moves the table {table} to schema {to}",
    "empty": "deletes all rows of {table}",
    "detach": "takes the rows of {part} out of {table}",
}
TO_COLUMNS = {
    "drop column": "drops the column {table}.{column}",
    "rename column": "renames the column {table}.{column}",
    "set type": "changes the type of {table}.{column}",
}
UNFILLED = "{table}.{column} must not be empty, and the database has no default for it"
NO_DEFAULT = "takes the default of {table}.{column} away"
ROW_SECURITY = "turns row security on for {table}: without a policy the code sees no row"
ANEW = "writes {table} anew"
UNIQUE = "builds a unique constraint on {table}"
EVERY_ROW = "checks every row of {table} for a constraint"


@dataclass(frozen=True)
class Facts:
    """What statements are judged by."""

    #: What the running code uses: column names by table
    tables: Mapping[str, Sequence[str]]
    #: The columns' present types, by table.column
    types: Mapping[str, str] = field(default_factory=dict)
    #: The tables' estimated rows, of which `many` are too many for a lock
    rows: Mapping[str, float] = field(default_factory=dict)
    many: int = 0
    #: Columns that must not be empty, and those that the database fills, by table.column
    filled: Collection[str] = ()
    defaults: Collection[str] = ()
    #: Schemas in which a table is found that is named without one
    path: Sequence[str] = ("public",)

    def name(self, action: Action) -> str:
        """Return the table that an action is about, as `tables` has it; "" where it names none."""
        schema, table = action.get("schema", ""), str(action.get("table", ""))
        return f"{schema}.{table}" if table and schema and schema not in self.path else table

    def within(self, schema: str) -> list[str]:
        """Return the tables of a schema that the code uses."""
        if schema in self.path:
            return [table for table in self.tables if "." not in table]
        return [table for table in self.tables if table.startswith(f"{schema}.")]


@dataclass
class Verdict:
    """What a migration's statements mean for code that runs, each in words."""

    #: What it cannot live with
    breaking: list[str] = field(default_factory=list)
    #: What it would wait for
    slow: list[str] = field(default_factory=list)
    #: What cannot be told
    unknown: list[str] = field(default_factory=list)

    def once(self) -> Verdict:
        """Return it without repetitions."""
        return Verdict(*(list(dict.fromkeys(texts)) for texts in (self.breaking, self.slow, self.unknown)))


def judge(actions: Iterable[Action], facts: Facts) -> Verdict:
    """Return what a migration's actions mean for the code that uses facts.tables."""
    actions = list(actions)
    verdict = Verdict()
    for action in actions:
        table = facts.name(action)
        if action["do"] == "unknown":
            if not table or table in facts.tables:
                verdict.unknown.append(action["what"] + (f" on {table}" if table else ""))
        elif action["do"] == "drop owned":
            verdict.breaking.append("drops whatever a role owns")
        elif action["do"] == "drop schema":
            verdict.breaking += of_schema(action, facts)
        elif table in facts.tables:
            known = {**action, "table": table}
            verdict.breaking += breaking(known, facts)
            verdict.slow += [f"{text} (about {round(facts.rows[table]):,} rows)" for text in slow(known, facts)]
            if action["do"] == "row security":
                verdict.unknown.append(ROW_SECURITY.format_map(known))
    verdict.breaking += unfilled(actions, facts)
    return verdict.once()


def of_schema(action: Action, facts: Facts) -> list[str]:
    """Return what becomes of the tables of a schema that goes or gets another name."""
    used = facts.within(action["schema"])
    what = "renames" if action.get("renamed") else "drops"
    return [f"{what} the schema {action['schema']} with {', '.join(sorted(used))}"] if used else []


def breaking(action: Action, facts: Facts) -> list[str]:
    """Return what an action takes from code that uses its table."""
    if action["do"] in TO_TABLES:
        return [TO_TABLES[action["do"]].format_map(action)]
    if action["do"] not in TO_COLUMNS or action["column"] not in facts.tables[action["table"]]:
        return []
    if action["do"] == "set type":
        old = facts.types.get(f"{action['table']}.{action['column']}", "")
        if holds(old, action["type"]) or longer(old, action["type"]):
            return []
    return [TO_COLUMNS[action["do"]].format_map(action)]


def slow(action: Action, facts: Facts) -> list[str]:
    """Return what an action does to a whole table while nobody else may use that; nothing for a small one."""
    if facts.rows.get(action["table"], 0) <= facts.many:
        return []
    do, place, text = action["do"], f"{action['table']}.{action.get('column', '')}", ""
    if do == "create index" and action["waits"]:
        text = "builds an index on {table} without CONCURRENTLY"
    elif do == "add constraint" and action["waits"]:
        text = UNIQUE if action["kind"] in ("unique", "exclude") else EVERY_ROW
    elif do == "add column":
        # A foreign key of a column that is empty everywhere is not looked at.
        asked = [one for one in action["constraints"] if one != "foreign key" or action["default"]]
        text = ANEW if action["rewrites"] else UNIQUE if "unique" in asked else EVERY_ROW if asked else ""
    elif do == "set not null" and place not in facts.filled:
        text = "reads every row of {table} to see that {column} is filled"
    elif do in ("rewrite", "reindex") or (do == "set type" and longer(facts.types.get(place, ""), action["type"])):
        text = ANEW
    return [text.format_map(action)] if text else []


def holds(old: str, new: str) -> bool:
    """Return whether a change of type keeps every value and is done without looking at a row.

    PostgreSQL's manual, ALTER TABLE: "changing varchar to text or raising a length limit" needs no rewrite; a numeric
    may get more digits before the point. An equal type (a collation that Django writes) needs nothing.
    """
    if not old or old == new or (old.startswith("character varying") and new in ("text", "character varying")):
        return bool(old)
    lengths = [LENGTH.fullmatch(one) for one in (old, new)]
    if lengths[0] and lengths[1]:
        return int(lengths[1][1]) >= int(lengths[0][1])
    digits = [NUMERIC.fullmatch(one) for one in (old, new)]
    if digits[0] and digits[1]:
        return (digits[1][2] or "0") == (digits[0][2] or "0") and int(digits[1][1]) >= int(digits[0][1])
    return bool(digits[0]) and new == "numeric"


def longer(old: str, new: str) -> bool:
    """Return whether an integer becomes a longer one: the code reads on, the table is written anew."""
    return old in INTEGERS and new in INTEGERS and INTEGERS.index(new) > INTEGERS.index(old)


def unfilled(actions: Iterable[Action], facts: Facts) -> list[str]:
    """Return which columns the code would leave empty that must not be, at the migration's end."""
    must: dict[tuple[str, str], bool] = {}
    default: dict[tuple[str, str], bool] = {}
    for action in actions:
        if "column" not in action or facts.name(action) not in facts.tables:
            continue
        spot = (facts.name(action), str(action["column"]))
        if action["do"] == "add column":
            must[spot], default[spot] = action["not_null"], action["default"]
        elif action["do"] in ("set not null", "drop not null"):
            must[spot] = action["do"] == "set not null"
        elif action["do"] in ("set default", "drop default"):
            default[spot] = action["do"] == "set default"
        elif action["do"] == "drop column":
            must.pop(spot, None)
            default.pop(spot, None)
    found = []
    for spot in dict.fromkeys([*must, *default]):
        table, column = spot
        name = f"{table}.{column}"
        if must.get(spot) and name not in facts.filled:
            # Code that knows the column may write NULL into it; other code leaves it to the database.
            given = default.get(spot, name in facts.defaults and column not in facts.tables[table])
            found += [] if given else [UNFILLED.format(table=table, column=column)]
        elif default.get(spot) is False and name in facts.filled and must.get(spot, True):
            found.append(NO_DEFAULT.format(table=table, column=column))
    return found
