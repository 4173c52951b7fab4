"""What a database has in which something of people's may stand: tables, columns with the types beneath them, keys.

Asked of PostgreSQL's catalogue alone: nothing that lies in the database runs. A column whose type leaves no room for
free text is harmless; all others, also those of a type that nobody here knows, have to be declared.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Types without room for words (PostgreSQL's manual, "Data Types"); an enumeration has none either.
HARMLESS = {
    "bool", "int2", "int4", "int8", "float4", "float8", "numeric", "money", "oid", "uuid", "char", "bit", "varbit",
    "date", "time", "timetz", "timestamp", "timestamptz", "interval",
    "int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange",
    "int4multirange", "int8multirange", "nummultirange", "tsmultirange", "tstzmultirange", "datemultirange",
    "pg_lsn", "xid", "xid8", "tid", "regclass", "regtype", "regproc", "regprocedure", "regconfig",
}  # fmt: skip
TEXT = {"text", "varchar", "bpchar", "name", "citext"}
JSON = {"json", "jsonb"}
#: Before the letters (PostgreSQL's varchar.c)
HEADER = 4
NAME_LETTERS = 63
#: One JSON text. A partition's rows are its table's; a view has none of its own, and one that keeps some is made anew.
LOOK = """
WITH RECURSIVE kind AS (
  SELECT oid AS start, oid, typname, typtype, typbasetype, typelem, typcategory, typtypmod AS modifier, false AS listed,
    typnotnull AS required, 0 AS depth FROM pg_catalog.pg_type
  UNION ALL
  SELECT start, t.oid, t.typname, t.typtype, t.typbasetype, t.typelem, t.typcategory,
    CASE WHEN modifier > -1 THEN modifier ELSE t.typtypmod END, listed OR (k.typtype <> 'd'), required, depth + 1
  FROM kind k JOIN pg_catalog.pg_type t ON t.oid = CASE WHEN k.typtype = 'd' THEN k.typbasetype
    WHEN k.typcategory = 'A' AND k.typelem <> 0 THEN k.typelem END),
base AS (SELECT DISTINCT ON (start) * FROM kind ORDER BY start, depth DESC),
relation AS (
  SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispartition, EXISTS (
      SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.objid = c.oid AND deptype = 'e') AS extension
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
  WHERE relkind IN ('r', 'p') AND relpersistence <> 't' AND nspname !~ '^pg_' AND nspname <> 'information_schema'),
own AS (SELECT * FROM relation WHERE NOT extension AND NOT relispartition)
SELECT pg_catalog.json_build_object(
  'tables', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'schema', nspname, 'name', relname, 'kind', relkind,
      'columns', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
          'name', attname, 'type', pg_catalog.format_type(atttypid, atttypmod), 'base', typname, 'kind', typtype,
          'listed', listed, 'modifier', CASE WHEN atttypmod > -1 THEN atttypmod ELSE modifier END,
          'required', attnotnull OR required, 'generated', attgenerated <> '',
          'unique', EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = own.oid AND indisunique
            AND indnkeyatts = 1 AND indkey[0] = attnum)) ORDER BY attnum)
        FROM pg_catalog.pg_attribute a JOIN base ON base.start = atttypid
        WHERE attrelid = own.oid AND attnum > 0 AND NOT attisdropped),
      'key', (SELECT pg_catalog.json_agg(attname ORDER BY attnum) FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_attribute a ON a.attrelid = own.oid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = own.oid AND indisprimary)) ORDER BY nspname, relname) FROM own),
  'keys', (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', conname, 'table', conrelid::pg_catalog.oid, 'from', ARRAY[f.nspname, f.relname],
      'to', ARRAY[t.nspname, t.relname],
      'columns', (SELECT pg_catalog.json_agg(ARRAY[a.attname, b.attname] ORDER BY n) FROM
        ROWS FROM (pg_catalog.unnest(conkey), pg_catalog.unnest(confkey)) WITH ORDINALITY AS u(x, y, n)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = conrelid AND a.attnum = x
        JOIN pg_catalog.pg_attribute b ON b.attrelid = confrelid AND b.attnum = y)))
    FROM pg_catalog.pg_constraint JOIN own f ON f.oid = conrelid JOIN own t ON t.oid = confrelid
    WHERE contype = 'f'),
  'extensions', (SELECT pg_catalog.json_agg(ARRAY[nspname, relname]) FROM relation WHERE extension),
  'partitions', (SELECT pg_catalog.json_agg(ARRAY[r.nspname, r.relname, n.nspname, c.relname]) FROM relation r
    JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.pg_partition_root(r.oid)
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE r.relispartition),
  'objects', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata))
"""


@dataclass(frozen=True)
class Column:
    """A column, and what its type comes down to."""

    name: str
    #: As PostgreSQL writes it: what a value is cast to
    type: str
    #: Beneath domains and lists
    base: str
    listed: bool
    #: Letters that fit; 0 without a limit
    longest: int
    required: bool
    generated: bool
    unique: bool
    harmless: bool


@dataclass(frozen=True)
class Table:
    """A table with its partitions, by its name, which has its schema in it unless that is `public`."""

    schema: str
    bare: str
    partitioned: bool
    columns: Mapping[str, Column]
    key: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return what it is called here."""
        return named(self.schema, self.bare)


@dataclass(frozen=True)
class Key:
    """A foreign key: whose it is, where it leads, and its pairs of columns."""

    table: str
    to: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Catalogue:
    """What a database has."""

    tables: Mapping[str, Table]
    keys: tuple[Key, ...]
    #: (schema, name) of tables that an extension has made, and of partitions by their tables
    extensions: tuple[tuple[str, str], ...]
    partitions: Mapping[str, list[tuple[str, str]]] = field(default_factory=dict)
    #: How many large objects there are
    objects: int = 0

    def columns(self) -> Iterator[tuple[Table, Column]]:
        """Yield every column with its table."""
        for table in self.tables.values():
            for column in table.columns.values():
                yield table, column


def named(schema: str, name: str) -> str:
    """Return what a table is called in sanitise.yml and in messages."""
    return name if schema == "public" else f"{schema}.{name}"


def read(text: str) -> Catalogue:
    """Return the catalogue that the query answered."""
    found: dict[str, Any] = json.loads(text)
    tables = [table_of(entry) for entry in found["tables"] or []]
    partitions: dict[str, list[tuple[str, str]]] = {}
    for schema, name, above, whose in found["partitions"] or []:
        partitions.setdefault(named(above, whose), []).append((schema, name))
    keys = [
        Key(named(*one["from"]), named(*one["to"]), tuple((mine, theirs) for mine, theirs in one["columns"]))
        for one in found["keys"] or []
    ]
    return Catalogue(
        {table.name: table for table in tables}, tuple(keys),
        tuple((schema, name) for schema, name in found["extensions"] or []), partitions, int(found["objects"]),
    )  # fmt: skip


def table_of(entry: Mapping[str, Any]) -> Table:
    """Return a table of the answer."""
    columns = {one["name"]: column_of(one) for one in entry["columns"] or []}
    return Table(entry["schema"], entry["name"], entry["kind"] == "p", columns, tuple(entry["key"] or ()))


def column_of(one: Mapping[str, Any]) -> Column:
    """Return a column of the answer."""
    sized = one["base"] in ("varchar", "bpchar") and one["modifier"] > HEADER
    return Column(
        name=one["name"], type=one["type"], base=one["base"], listed=one["listed"],
        longest=one["modifier"] - HEADER if sized else NAME_LETTERS if one["base"] == "name" else 0,
        required=one["required"], generated=one["generated"], unique=one["unique"],
        harmless=one["base"] in HARMLESS or one["kind"] == "e",
    )  # fmt: skip
