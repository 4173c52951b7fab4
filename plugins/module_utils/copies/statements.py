"""What becomes of a column's values: the statements of sanitise.yml, which types each fits, and its SQL.

A value is hashed with HMAC-SHA-256 (RFC 2104) by PostgreSQL's own functions, under a key of the environment's: the same
text becomes the same text in each column of each copy, so that what belonged together and what was unique still does.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..common.postgresql import identifier, literal
from .catalogue import JSON, TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

    from .catalogue import Column

KEEP, EMPTY, NULL, HASH, SHIFT, CONSTANT = "keep", "empty", "null", "hash", "shift date", "constant"
MAIL, NAME, PHONE, URL, PREFIX = "fake e-mail", "fake name", "fake phone", "fake url", "prefix"
UNUSABLE = "unusable password"
#: A name that nobody will ever have (RFC 2606)
NOWHERE = "@example.invalid"
#: In letters of 4 bits: what is unique stays so for a few million values (the birthday bound of 2^48 is 2^24).
FEWEST_UNIQUE = 12
LETTERS = 32
#: As they are written: those that stand alone, and those that have a value
WORDS = (KEEP, EMPTY, NULL, HASH, MAIL, NAME, PHONE, URL, UNUSABLE)
ARGUMENTS = {CONSTANT: "what every row gets", PREFIX: "what stands before the hash", SHIFT: "so many days at most"}
#: Before what is made up, how many letters of the hash at most, and behind it. No password has a hash that begins with
#: an exclamation mark (django.contrib.auth.hashers.UNUSABLE_PASSWORD_PREFIX).
MADE = {
    HASH: ("", LETTERS, ""), NAME: ("Person ", 12, ""), PHONE: ("+000", 15, ""), MAIL: ("", 24, NOWHERE),
    URL: ("https://example.invalid/", 24, ""), UNUSABLE: ("!", 40, ""),
}  # fmt: skip
#: Bytes that SHA-256 takes at a time
BLOCK = 64
SPACE = "samestack_copy"
NUMBERS = {"int2": ("4", 16, 32767), "int4": ("8", 32, 2147483647), "int8": ("16", 64, 9223372036854775807)}
DATES = ("date", "timestamp", "timestamptz")
#: What has enough different values that one which comes out as an original is no coincidence
WIDE = TEXT | {"uuid", "bytea", "inet", "cidr", "macaddr"}
#: What each type is emptied to
BLANKS = {"bytea": "''", "hstore": "''", "tsvector": "''"}
#: In the session that changes rows: where the key's two halves are
FROM_KEY = f"{SPACE}.secret AS k"
EACH = "SELECT {made} FROM pg_catalog.unnest({name}) WITH ORDINALITY AS u(e, n) ORDER BY n"
SETUP = f"""
CREATE SCHEMA {SPACE};
CREATE TABLE {SPACE}.secret (i bytea NOT NULL, o bytea NOT NULL);
CREATE FUNCTION {SPACE}.mac(value text, i bytea, o bytea) RETURNS text LANGUAGE sql STABLE STRICT AS $f$
  SELECT pg_catalog.encode(pg_catalog.sha256(o OPERATOR(pg_catalog.||) pg_catalog.sha256(
    i OPERATOR(pg_catalog.||) pg_catalog.convert_to(value, 'UTF8'))), 'hex') $f$;
"""


@dataclass(frozen=True)
class Statement:
    """What a column, or a whole table, becomes; and where that is said."""

    kind: str
    value: Any = None
    place: str = ""
    #: As people know the column: board.Notice.title
    name: str = ""

    @property
    def words(self) -> str:
        """Return it as it is written."""
        return self.kind if self.value is None else f"{{{self.kind}: {self.value}}}"


def pads(key: str) -> tuple[str, str]:
    """Return the key as HMAC takes it, the inner and the outer one, in hexadecimal letters."""
    raw = key.encode()
    block = (hashlib.sha256(raw).digest() if len(raw) > BLOCK else raw).ljust(BLOCK, b"\0")
    return bytes(byte ^ 0x36 for byte in block).hex(), bytes(byte ^ 0x5C for byte in block).hex()


def problem(statement: Statement, column: Column) -> str:
    """Return why a statement does not fit a column, and what does; "" where it fits."""
    kind = statement.kind
    if kind == NULL and column.required:
        return "it must have a value in every row (NOT NULL). Write empty, hash or {constant: …}"
    if kind == EMPTY:
        return unemptied(column)
    if kind == CONSTANT and column.unique:
        return "its values are unique, and all would be the same. Write hash or null"
    if kind == CONSTANT and column.longest and len(str(statement.value)) > column.longest:
        return f"it has room for {column.longest} letters. Write a shorter one"
    return "" if kind in (KEEP, NULL, CONSTANT) else unfit(statement, column) or cramped(statement, column)


def unemptied(column: Column) -> str:
    """Return why a column cannot be emptied, and what else there is; "" where it can."""
    if not column.listed and column.base not in TEXT | JSON | set(BLANKS):
        return f"nothing of type {column.type} is empty. Write null, hash or {{constant: …}}"
    return "its values are unique, and only one could be empty. Write hash or null" if column.unique else ""


def unfit(statement: Statement, column: Column) -> str:
    """Return why nothing is made up for a type in this way, and what else there is; "" where it is."""
    kind, base = statement.kind, column.base
    if kind == SHIFT:
        return "" if base in DATES else f"it is no date ({column.type}). Write keep, null or hash"
    if kind == HASH and base not in WIDE | set(NUMBERS):
        more = "empty, " if base in JSON else ""
        return f"a value of type {column.type} cannot be hashed. Write {more}null or {{constant: …}}"
    if kind != HASH and base not in TEXT:
        return f"it is no text ({column.type}). Write hash, null or {{constant: …}}"
    return ""


def cramped(statement: Statement, column: Column) -> str:
    """Return why what is made up does not fit into a text, and what else there is; "" where it does."""
    if column.base not in TEXT or not column.longest or statement.kind == SHIFT:
        return ""
    room, least = letters(statement, column.longest), FEWEST_UNIQUE if column.unique else 1
    if room >= least:
        return ""
    return (
        f"its {column.longest} letters leave {max(room, 0)} for what is made up, and that needs {least}"
        f"{' to be unique' if column.unique else ''}. Write null, empty or {{constant: …}}"
    )


def around(statement: Statement) -> tuple[str, int, str]:
    """Return what stands before what is made up, how many letters of the hash that has, and what stands behind it."""
    return MADE.get(statement.kind) or (str(statement.value), 24, "")


def letters(statement: Statement, longest: int) -> int:
    """Return how many letters of the hash fit into a text of so many letters, 0 for one without a limit."""
    before, most, after = around(statement)
    return min(most, longest - len(before) - len(after)) if longest else most


def expression(statement: Statement, column: Column, row: str) -> str:
    """Return the SQL of a column's new value.

    Args:
        statement: fits the column.
        column: whose name stands for the value before.
        row: SQL of a text that tells the row from others.
    """
    kind, name, cast = statement.kind, identifier(column.name), f"::{column.type}"
    if kind == KEEP:
        return name
    if kind == NULL:
        return "NULL"
    if kind == CONSTANT:
        # What is a list or an object in YAML is written as PostgreSQL's own text by whoever wrote it.
        return f"{literal(str(statement.value))}{cast}"
    if kind == EMPTY:
        return f"CASE WHEN {name} IS NULL THEN NULL ELSE {blank(column)} END{cast}"
    if column.listed:
        made = one_value(statement, column, "e", row)
        spread = EACH.format(made=made, name=name)
        return f"CASE WHEN {name} IS NULL THEN NULL ELSE ARRAY({spread}) END{cast}"
    return f"({one_value(statement, column, name, row)}){cast}"


def blank(column: Column) -> str:
    """Return the SQL of an emptied value."""
    if column.listed:
        return "'{}'"
    if column.base in JSON:
        shape = f"pg_catalog.{column.base}_typeof({identifier(column.name)}::pg_catalog.{column.base})"
        return f"CASE {shape} WHEN 'array' THEN '[]' WHEN 'string' THEN '\"\"' WHEN 'null' THEN 'null' ELSE '{{}}' END"
    return BLANKS.get(column.base, "''")


def one_value(statement: Statement, column: Column, value: str, row: str) -> str:
    """Return the SQL of what one value becomes; NULL stays NULL, and an empty text says nothing of anybody."""
    kind, base = statement.kind, column.base
    text = f"{value}::pg_catalog.text"
    if kind == SHIFT:
        days = shifted(int(statement.value), row)
        step = days if base == "date" else f"pg_catalog.make_interval(days => {days})"
        return f"{value} + {step}"
    mac = f"{SPACE}.mac({text}, k.i, k.o)"
    if base in NUMBERS:
        digits, bits, most = NUMBERS[base]
        number = f"('x' || pg_catalog.left({mac}, {digits}))::pg_catalog.bit({bits})::pg_catalog.{base}"
        return f"({number} & {most}::pg_catalog.{base})"
    others: dict[str, Callable[[], str]] = {
        "uuid": lambda: f"pg_catalog.left({mac}, 32)::pg_catalog.uuid",
        "bytea": lambda: f"pg_catalog.decode({SPACE}.mac(pg_catalog.encode({value}, 'hex'), k.i, k.o), 'hex')",
        "inet": lambda: address(mac), "cidr": lambda: address(mac),
        "macaddr": lambda: f"pg_catalog.left({mac}, 12)::pg_catalog.macaddr",
    }  # fmt: skip
    if base in others:
        return others[base]()
    before, _most, after = around(statement)
    figures = f"pg_catalog.translate({mac}, 'abcdef', '012345')" if kind == PHONE else mac
    part = f"pg_catalog.left({figures}, {letters(statement, column.longest)})"
    return f"CASE {text} WHEN '' THEN '' ELSE {literal(before)} || {part} || {literal(after)} END"


def address(mac: str) -> str:
    """Return the SQL of an address that is nobody's, out of those for documentation (RFC 3849)."""
    groups = " || ':' || ".join(f"pg_catalog.substr({mac}, {1 + 4 * number}, 4)" for number in range(6))
    return f"('2001:db8:' || {groups})::pg_catalog.inet"


def shifted(most: int, row: str) -> str:
    """Return the SQL of a number of days between -most and most that is never 0, the same for one row each time."""
    number = f"('x' || pg_catalog.left({SPACE}.mac({row}, k.i, k.o), 7))::pg_catalog.bit(28)::pg_catalog.int4"
    return f"(CASE WHEN {number} % 2 = 0 THEN -1 ELSE 1 END * (1 + {number} / 2 % {most}))"
