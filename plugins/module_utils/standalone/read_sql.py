"""Reads SQL with PostgreSQL's own parser: what each statement does, to which table and column.

Python reads it from its standard input, with a call of `answer` at its end. One line of JSON goes out: for each text a
list of actions, dictionaries with `do` and what that is about. It runs with the host's Python as nobody who could do
harm: the parser (pglast) is C, and the statements are anybody's.

Names of nodes and of their fields are those of PostgreSQL's source (`src/include/nodes/parsenodes.h`).
"""

from __future__ import annotations

import json
import sys

# The parser is in no package of the host's: only `answer` is told where.
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Node = dict[str, Any]
Action = dict[str, Any]

#: What the grammar calls types, and what `format_type` calls them
TYPES = {
    "bool": "boolean", "int2": "smallint", "int4": "integer", "int8": "bigint", "float4": "real",
    "float8": "double precision", "varchar": "character varying", "bpchar": "character", "varbit": "bit varying",
    "timestamptz": "timestamp with time zone", "timestamp": "timestamp without time zone",
    "timetz": "time with time zone", "time": "time without time zone", "decimal": "numeric",
}  # fmt: skip
#: Types with a number of their own from a sequence
SERIAL = ("smallserial", "serial", "bigserial", "serial2", "serial4", "serial8")
#: Functions that give each row a value of its own, or a part of their name
VOLATILE = ("random", "uuid", "clock_timestamp", "nextval", "timeofday")
#: Functions of PostgreSQL that a query may call without changing any table
QUIET = (
    "setval", "nextval", "currval", "lastval", "set_config", "current_setting", "count", "max", "min", "sum", "avg",
    "now", "pg_get_serial_sequence", "lower", "upper", "length", "concat", "string_agg", "array_agg", "to_tsvector",
    "pg_sleep", "pg_advisory_lock", "pg_advisory_xact_lock", "to_regclass", "version",
)  # fmt: skip
#: Changes of a table that neither the code nor the rows notice
HARMLESS = (
    "SetStatistics", "SetOptions", "ResetOptions", "SetStorage", "SetCompression", "ClusterOn", "DropCluster",
    "SetRelOptions", "ResetRelOptions", "ReplicaIdentity", "ReplaceRelOptions", "DropConstraint", "AlterConstraint",
    "ValidateConstraint", "AttachPartition", "DropExpression", "NoForceRowSecurity", "DisableRowSecurity",
)  # fmt: skip
#: Changes that write a table anew
REWRITES = ("SetLogged", "SetUnLogged", "SetTableSpace", "SetAccessMethod")
CONSTRAINTS = {
    "CONSTR_CHECK": "check", "CONSTR_FOREIGN": "foreign key", "CONSTR_UNIQUE": "unique", "CONSTR_PRIMARY": "unique",
    "CONSTR_EXCLUSION": "exclude",
}  # fmt: skip
#: What is a table to a query
RELATIONS = {
    "OBJECT_TABLE": "table", "OBJECT_VIEW": "view", "OBJECT_MATVIEW": "materialized view",
    "OBJECT_FOREIGN_TABLE": "foreign table",
}  # fmt: skip
#: Statements that change no table that is there
QUIET_STATEMENTS = {
    "TransactionStmt", "VariableShowStmt", "CommentStmt", "InsertStmt", "UpdateStmt", "CreateSeqStmt", "AlterSeqStmt",
    "CreateSchemaStmt", "CreateEnumStmt", "CompositeTypeStmt", "CreateRangeStmt", "CreateDomainStmt", "DefineStmt",
    "CreateExtensionStmt", "AlterExtensionStmt", "ExplainStmt", "ConstraintsSetStmt", "CreateStatsStmt",
    "AlterStatsStmt", "CreateForeignTableStmt", "CreateCastStmt", "CreateOpClassStmt", "CreateOpFamilyStmt",
    "CreatePublicationStmt", "AlterDefaultPrivilegesStmt", "RefreshMatViewStmt", "NotifyStmt", "ListenStmt",
    "UnlistenStmt", "DiscardStmt", "CheckPointStmt", "LockStmt", "CreateConversionStmt", "SecLabelStmt",
    "AlterTSDictionaryStmt", "AlterTSConfigurationStmt", "CreatePolicyStmt", "DeallocateStmt",
}  # fmt: skip


def strings(nodes: Any) -> list[str]:
    """Return the texts of a list of String nodes, or of one."""
    if isinstance(nodes, dict):
        nodes = nodes.get("List", {}).get("items", [nodes])
    return [str(one["String"].get("sval", "")) for one in nodes or [] if "String" in one]


def place(parts: list[str]) -> Action:
    """Return a table's name, with its schema where that is said."""
    return {"table": parts[-1] if parts else "", "schema": parts[-2] if len(parts) > 1 else ""}


def relation(node: Node | None) -> Action:
    """Return the table that a RangeVar names."""
    node = node or {}
    return {"table": str(node.get("relname", "")), "schema": str(node.get("schemaname", ""))}


def ranges(nodes: list[Node]) -> list[Action]:
    """Return the tables that a list of RangeVar nodes names."""
    return [relation(one.get("RangeVar")) for one in nodes]


def inner(node: Any) -> Iterator[tuple[str, Node]]:
    """Yield (kind, node) of whatever is in a node."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name[:1].isupper() and isinstance(value, dict):
                yield name, value
            yield from inner(value)
    elif isinstance(node, list):
        for one in node:
            yield from inner(one)


def functions(node: Any) -> list[str]:
    """Return the names of the functions that an expression calls."""
    return [strings(one.get("funcname"))[-1] for kind, one in inner(node) if kind == "FuncCall"]


def type_name(node: Node) -> str:
    """Return a type as `format_type` writes it: `character varying(50)`, `numeric(10,2)`, `integer[]`."""
    names = strings(node.get("names"))
    base = TYPES.get(names[-1], names[-1]) if names else ""
    numbers = [one["A_Const"].get("ival", {}).get("ival", 0) for one in node.get("typmods") or [] if "A_Const" in one]
    text = f"({','.join(map(str, numbers))})" if numbers else ""
    first, _, rest = base.partition(" ")
    # `timestamp(3) with time zone`, but `character varying(50)`
    written = f"{first}{text} {rest}" if text and rest.startswith("with") else base + text
    return written + "[]" * bool(node.get("arrayBounds"))


def is_null(expression: Any) -> bool:
    """Return whether a default is none."""
    return not expression or "isnull" in expression.get("A_Const", {})


def not_null_of(expression: Any) -> list[str]:
    """Return the columns of which a condition says that they are not null."""
    found = []
    for kind, node in inner({"Expression": expression} if isinstance(expression, dict) else expression):
        if kind == "NullTest" and node.get("nulltesttype") == "IS_NOT_NULL":
            found += [strings(one.get("fields"))[-1] for name, one in inner(node) if name == "ColumnRef"]
    return found


def column(definition: Node) -> Action:
    """Return what a column's definition says."""
    kinds = [one["Constraint"] for one in definition.get("constraints") or [] if "Constraint" in one]
    types = [one.get("contype") for one in kinds]
    name = type_name(definition.get("typeName") or {})
    default = next((one.get("raw_expr") for one in kinds if one.get("contype") == "CONSTR_DEFAULT"), None)
    called = " ".join(functions(default)).lower() if default else ""
    stored = any(one.get("contype") == "CONSTR_GENERATED" and one.get("generated_kind") != "v" for one in kinds)
    own = name in SERIAL or "CONSTR_IDENTITY" in types
    return {
        "column": str(definition.get("colname", "")),
        "type": name,
        "not_null": bool({"CONSTR_NOTNULL", "CONSTR_PRIMARY"} & set(types)) or name in SERIAL,
        "default": not is_null(default) or own or "CONSTR_GENERATED" in types,
        "rewrites": own or stored or any(word in called for word in VOLATILE),
        "constraints": sorted({CONSTRAINTS[one] for one in types if one in CONSTRAINTS}),
    }


def constraint(where: Action, node: Node) -> Iterator[Action]:
    """Yield what adding a constraint does."""
    kind = str(node.get("contype"))
    if kind == "CONSTR_NOTNULL":
        for name in strings(node.get("keys")):
            yield {"do": "set not null", **where, "column": name}
        return
    waits = not node.get("skip_validation") and not node.get("indexname")
    yield {"do": "add constraint", **where, "kind": CONSTRAINTS.get(kind, kind), "waits": waits}
    if kind == "CONSTR_CHECK":
        for name in not_null_of(node.get("raw_expr")):
            yield {"do": "set not null", **where, "column": name}


#: What ALTER TABLE does to a column, in our words
TO_COLUMNS = {
    "DropColumn": "drop column", "SetNotNull": "set not null", "DropNotNull": "drop not null",
    "DropIdentity": "drop default", "AddIdentity": "set default", "SetIdentity": "set default",
}  # fmt: skip
ROW_SECURITY = ("EnableRowSecurity", "ForceRowSecurity")


def change(where: Action, node: Node) -> Iterator[Action]:
    """Yield what one action of ALTER TABLE does."""
    kind = str(node.get("subtype", "")).removeprefix("AT_")
    about = node.get("def") or {}
    on = {**where, "column": str(node.get("name", ""))}
    if kind == "AddColumn":
        lenient = bool(node.get("missing_ok"))
        yield {"do": "add column", **where, **column(about.get("ColumnDef", {})), "lenient": lenient}
    elif kind in TO_COLUMNS:
        yield {"do": TO_COLUMNS[kind], **on}
    elif kind == "AlterColumnType":
        definition = about.get("ColumnDef", {})
        yield {"do": "set type", **on, "type": type_name(definition.get("typeName") or {})}
    elif kind == "ColumnDefault":
        yield {"do": "drop default" if is_null(about) else "set default", **on}
    elif kind in ("AddConstraint", "AddIndexConstraint"):
        yield from constraint(where, about.get("Constraint", {}))
    elif kind == "DetachPartition":
        yield {"do": "detach", **where, "part": relation(about.get("PartitionCmd", {}).get("name"))["table"]}
    elif kind in ROW_SECURITY or kind in REWRITES:
        yield {"do": "row security" if kind in ROW_SECURITY else "rewrite", **where}
    elif kind not in HARMLESS:
        yield {"do": "unknown", **where, "what": f"ALTER TABLE … {words(kind)}"}


def words(name: str) -> str:
    """Return a node's name as words in capitals: `DisableTrig` is DISABLE TRIG."""
    text = "".join(f" {letter}" if letter.isupper() else letter for letter in name.removesuffix("Stmt"))
    return text.strip().upper()


def alter(node: Node) -> Iterator[Action]:
    """Yield what ALTER TABLE (VIEW, INDEX, SEQUENCE) does."""
    kind = node.get("objtype", "OBJECT_TABLE")
    if kind in ("OBJECT_INDEX", "OBJECT_SEQUENCE"):
        return
    for command in node.get("cmds") or []:
        yield from change(relation(node.get("relation")), command.get("AlterTableCmd", {}))


def drop(node: Node) -> Iterator[Action]:
    """Yield what DROP takes away."""
    kind, objects = str(node.get("removeType")), node.get("objects") or []
    cascade, lenient = node.get("behavior") == "DROP_CASCADE", bool(node.get("missing_ok"))
    for one in objects:
        name = strings(one) or strings(one.get("TypeName", {}).get("names"))
        name = name or strings(one.get("ObjectWithArgs", {}).get("objname"))
        if kind in RELATIONS:
            yield {"do": "drop table", **place(name), "kind": RELATIONS[kind], "lenient": lenient}
        elif kind == "OBJECT_SCHEMA":
            yield {"do": "drop schema", "schema": name[-1] if name else "", "cascade": cascade}
        elif kind in ("OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY"):
            what = kind[7:].lower()
            yield {"do": "unknown", **place(name[:-1]), "what": f"DROP {what.upper()} {name[-1]}"}
        elif kind == "OBJECT_INDEX":
            yield from ()
        else:
            what = kind[7:].replace("_", " ")
            yield {"do": "unknown", "what": f"DROP {what} {'.'.join(name)}{' CASCADE' if cascade else ''}"}


def rename(node: Node) -> Iterator[Action]:
    """Yield what RENAME does."""
    kind, to = str(node.get("renameType")), str(node.get("newname", ""))
    where = relation(node.get("relation"))
    if kind in RELATIONS:
        yield {"do": "rename table", **where, "to": to}
    elif kind == "OBJECT_COLUMN":
        yield {"do": "rename column", **where, "column": str(node.get("subname", "")), "to": to}
    elif kind == "OBJECT_SCHEMA":
        yield {"do": "drop schema", "schema": str(node.get("subname", "")), "cascade": True, "renamed": to}
    elif kind not in ("OBJECT_INDEX", "OBJECT_TABCONSTRAINT", "OBJECT_SEQUENCE", "OBJECT_TRIGGER"):
        yield {"do": "unknown", "what": f"ALTER {kind[7:].replace('_', ' ')} … RENAME TO {to}"}


def set_schema(node: Node) -> Iterator[Action]:
    """Yield what SET SCHEMA does."""
    kind, to = str(node.get("objectType")), str(node.get("newschema", ""))
    if kind in RELATIONS:
        yield {"do": "set schema", **relation(node.get("relation")), "to": to}
    elif kind != "OBJECT_SEQUENCE":
        yield {"do": "unknown", "what": f"ALTER {kind[7:].replace('_', ' ')} … SET SCHEMA {to}"}


def index(node: Node) -> Iterator[Action]:
    """Yield what CREATE INDEX does."""
    where = relation(node.get("relation"))
    yield {"do": "create index", **where, "waits": not node.get("concurrent"), "unique": bool(node.get("unique"))}


def reindex(node: Node) -> Iterator[Action]:
    """Yield what REINDEX does; of an index alone nobody says whose it is."""
    concurrent = any(one.get("DefElem", {}).get("defname") == "concurrently" for one in node.get("params") or [])
    if not concurrent:
        whole = node.get("kind") in ("REINDEX_OBJECT_TABLE", "REINDEX_OBJECT_INDEX")
        where = relation(node.get("relation")) if whole else {"table": "", "schema": ""}
        kind = "unknown" if node.get("kind") != "REINDEX_OBJECT_TABLE" else "reindex"
        yield {"do": kind, **where, "what": "REINDEX without CONCURRENTLY"}


def create(node: Node) -> Iterator[Action]:
    """Yield what CREATE TABLE does."""
    elements = [one.get("ColumnDef", {}) for one in node.get("tableElts") or [] if "ColumnDef" in one]
    names = [str(one.get("colname", "")) for one in elements]
    yield {"do": "create table", **relation(node.get("relation")), "columns": names,
           "lenient": bool(node.get("if_not_exists"))}  # fmt: skip


def create_as(node: Node) -> Iterator[Action]:
    """Yield what CREATE TABLE … AS does; its columns are its query's."""
    where = relation(node.get("into", {}).get("rel"))
    yield {"do": "create table", **where, "columns": [], "lenient": bool(node.get("if_not_exists"))}


def select(node: Node) -> Iterator[Action]:
    """Yield the functions that a query calls: what they do, nobody knows who only reads the query."""
    called = [name for name in functions(node) if name.lower() not in QUIET]
    if called:
        yield {"do": "unknown", "what": f"SELECT {', '.join(dict.fromkeys(called))}(…)"}
    if "intoClause" in node:
        yield {"do": "create table", **relation(node["intoClause"].get("rel")), "columns": [], "lenient": False}


def vacuum(node: Node) -> Iterator[Action]:
    """Yield what VACUUM does: only FULL locks a table and writes it anew."""
    full = any(one.get("DefElem", {}).get("defname") == "full" for one in node.get("options") or [])
    if full:
        tables = [relation(one.get("VacuumRelation", {}).get("relation")) for one in node.get("rels") or []]
        yield from ({"do": "rewrite", **one} for one in tables or [{"table": "", "schema": ""}])


def grant(node: Node) -> Iterator[Action]:
    """Yield what REVOKE takes away; what is granted disturbs nobody."""
    if not node.get("is_grant"):
        for one in ranges([one for one in node.get("objects") or [] if "RangeVar" in one]) or [{}]:
            yield {"do": "unknown", **one, "what": "REVOKE"}


def variable(node: Node) -> Iterator[Action]:
    """Yield what SET does: only where tables are looked for matters."""
    if node.get("name") in ("search_path", "role", "session_authorization"):
        yield {"do": "unknown", "what": f"SET {node['name']}"}


def trigger(node: Node) -> Iterator[Action]:
    """Yield what CREATE TRIGGER (or RULE) does to what is written into a table."""
    name = str(node.get("trigname") or node.get("rulename") or "")
    kind = "TRIGGER" if "trigname" in node else "RULE"
    yield {"do": "unknown", **relation(node.get("relation")), "what": f"CREATE {kind} {name}"}


def view(node: Node) -> Iterator[Action]:
    """Yield what CREATE VIEW does: one that replaces another may lack what that had."""
    if node.get("replace"):
        yield {"do": "unknown", **relation(node.get("view")), "what": "CREATE OR REPLACE VIEW"}
    else:
        yield {"do": "create table", **relation(node.get("view")), "columns": [], "lenient": False}


def owner(node: Node) -> Iterator[Action]:
    """Yield what OWNER TO does."""
    yield {"do": "unknown", **relation(node.get("relation")), "what": "ALTER … OWNER TO"}


def delete(node: Node) -> Iterator[Action]:
    """Yield what DELETE does: without a condition it leaves nothing."""
    if "whereClause" not in node:
        yield {"do": "empty", **relation(node.get("relation"))}


def enum(node: Node) -> Iterator[Action]:
    """Yield what ALTER TYPE does to a list of values: one that comes in addition disturbs nobody."""
    if "oldVal" in node:
        name = ".".join(strings(node.get("typeName")))
        yield {"do": "unknown", "what": f"ALTER TYPE {name} RENAME VALUE '{node['oldVal']}'"}


READERS: dict[str, Callable[[Node], Iterator[Action]]] = {
    "AlterTableStmt": alter,
    "DropStmt": drop,
    "RenameStmt": rename,
    "AlterObjectSchemaStmt": set_schema,
    "IndexStmt": index,
    "ReindexStmt": reindex,
    "CreateStmt": create,
    "CreateTableAsStmt": create_as,
    "SelectStmt": select,
    "VacuumStmt": vacuum,
    "GrantStmt": grant,
    "VariableSetStmt": variable,
    "CreateTrigStmt": trigger,
    "RuleStmt": trigger,
    "ViewStmt": view,
    "AlterOwnerStmt": owner,
    "TruncateStmt": lambda node: iter([{"do": "empty", **one} for one in ranges(node.get("relations") or [])]),
    "DeleteStmt": delete,
    "AlterEnumStmt": enum,
    "ClusterStmt": lambda node: iter([{"do": "rewrite", **relation(node.get("relation"))}]),
    "DropOwnedStmt": lambda _node: iter([{"do": "drop owned"}]),
    "CopyStmt": lambda node: iter([{"do": "unknown", "what": "COPY … PROGRAM"}] if node.get("is_program") else []),
}


def actions(statement: Node) -> list[Action]:
    """Return what a parsed statement does; what cannot be told is `unknown`."""
    ((kind, node),) = statement.items()
    # A DELETE may be in a WITH of another statement.
    emptied = [one for name, one in inner(node) if name == "DeleteStmt"]
    found = [one for deleting in emptied for one in delete(deleting)]
    if kind in QUIET_STATEMENTS:
        return found
    return found + (list(READERS[kind](node)) if kind in READERS else [{"do": "unknown", "what": words(kind)}])


def read(parse: Callable[[str], str], text: str) -> list[Action]:
    """Return what the statements of a text do, in their order."""
    try:
        parsed = json.loads(parse(text))
    # Whatever the parser says against it
    except Exception as error:
        return [{"do": "unknown", "what": f"what PostgreSQL's parser does not take ({error.args[0]})"}]
    return [one for statement in parsed.get("stmts", []) for one in actions(statement["stmt"])]


def answer(text: str) -> None:
    """Print what the statements do; takes JSON: `folder` of the parser, `texts` of SQL."""
    asked = json.loads(text)
    # The parser lies in a folder of its own, beside no application's packages.
    sys.path.insert(0, asked["folder"])
    parse = import_module("pglast.parser").parse_sql_json
    print(json.dumps([read(parse, one) for one in asked["texts"]]))
