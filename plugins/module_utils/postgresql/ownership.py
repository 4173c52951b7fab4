"""Who owns the application's database, who may change its rows, who may read them: looked at, and brought about.

    owner      owns the database and everything in it: migrations, copies, restores
    user       logs in as the application; a member of the group `writers`, which changes rows and nothing else
    second     logs in over the network and is the user from then on: the two take turns when passwords are replaced
    reader     people who look
    copier     reads everything, and owns the copies that may leave the machine
    samestack  catalogues alone, in every database

Rights on what will be made come from the owner's default privileges (PostgreSQL's manual, ALTER DEFAULT PRIVILEGES).
What a migration grants or revokes itself stays: only what nobody has been given gets rights here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..common.errors import HostError
from ..common.postgresql import POWERFUL, READER, RUN_PROGRAMS, SUPERUSER, identifier, literal
from . import takeover
from .takeover import RECORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .server import Server

#: Attributes that a role has only where `Wanted` says so
PRIVILEGES = ("rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication", "rolbypassrls")
WORDS = {
    "rolcanlogin": "LOGIN", "rolsuper": "SUPERUSER", "rolcreaterole": "CREATEROLE", "rolcreatedb": "CREATEDB",
    "rolreplication": "REPLICATION", "rolbypassrls": "BYPASSRLS",
}  # fmt: skip
WRITING, READING, COUNTING = "SELECT, INSERT, UPDATE, DELETE", "SELECT", "USAGE, SELECT, UPDATE"
#: Of a database: the superuser alone gets in.
CLOSED = "CONNECTION LIMIT 0"
#: Whoever asks for a table behind a change of its owner waits with that.
LOCK_SECONDS = 5

ROLES = """
SELECT pg_catalog.json_build_object(
  'roles', (SELECT pg_catalog.json_object_agg(rolname, pg_catalog.row_to_json(r)) FROM
    (SELECT rolname, rolcanlogin, {attributes}, rolpassword FROM pg_catalog.pg_authid WHERE rolname IN ({names})) r),
  'members', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
      pg_catalog.pg_get_userbyid(member), pg_catalog.pg_get_userbyid(roleid)))
    FROM pg_catalog.pg_auth_members WHERE pg_catalog.pg_get_userbyid(member) IN ({names})),
  'owner', (SELECT pg_catalog.pg_get_userbyid(datdba) FROM pg_catalog.pg_database WHERE datname = {database}),
  'second', (SELECT setconfig FROM pg_catalog.pg_db_role_setting
    WHERE setdatabase = 0 AND pg_catalog.pg_get_userbyid(setrole) = {second}),
  'closed', (SELECT datconnlimit = 0 FROM pg_catalog.pg_database WHERE datname = {database}),
  'powerful', (SELECT pg_catalog.json_agg(name) FROM ({powerful}) p))
"""
# In the application's database, as the role that only looks. What is of a session, large objects (rows) and default
# privileges stay with whom they belong to.
STATE = """
WITH role AS (SELECT oid, rolname FROM pg_catalog.pg_roles WHERE rolname IN ({owner}, {former}, {writers}, {reader})),
other AS (SELECT oid, rolname FROM role WHERE rolname IN ({writers}, {reader})),
space AS (
  SELECT n.oid, nspname, nspowner, nspacl FROM pg_catalog.pg_namespace n
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
thing AS (
  SELECT c.oid, n.nspname, c.relname, c.relkind, c.relacl FROM pg_catalog.pg_class c
  JOIN space n ON n.oid = relnamespace
  WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND relowner IN (SELECT oid FROM role WHERE rolname IN ({owner}, {former})))
SELECT pg_catalog.json_build_object(
  'former', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_shdepend d
    WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND deptype = 'o'
      AND d.refobjid = (SELECT oid FROM role WHERE rolname = {former} AND rolname <> {owner})
      AND d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
      AND d.classid NOT IN ('pg_catalog.pg_largeobject'::pg_catalog.regclass,
        'pg_catalog.pg_default_acl'::pg_catalog.regclass, 'pg_catalog.pg_user_mapping'::pg_catalog.regclass)
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c
        WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = d.objid AND relpersistence = 't')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = pronamespace
        WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = d.objid AND nspname ~ '^pg_temp')
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = typnamespace
        WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = d.objid AND nspname ~ '^pg_temp')),
  'objects', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata
    WHERE lomowner = (SELECT oid FROM role WHERE rolname = {owner} AND {owner} <> {user})),
  'public', (SELECT pg_catalog.json_build_object('owner', pg_catalog.pg_get_userbyid(nspowner), 'open', EXISTS (
      SELECT FROM pg_catalog.aclexplode(nspacl) a WHERE a.grantee = 0 AND privilege_type = 'CREATE'))
    FROM space WHERE nspname = 'public'),
  'defaults', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_default_acl, pg_catalog.aclexplode(defaclacl) a
    WHERE defaclrole = (SELECT oid FROM role WHERE rolname = {owner}) AND defaclnamespace = 0
      AND defaclobjtype IN ('r', 'S', 'n') AND (a.grantee, privilege_type) IN (
        SELECT oid, pg_catalog.unnest(ARRAY['SELECT', 'USAGE']) FROM other)),
  'schemas', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(rolname, nspname)) FROM space, other
    WHERE nspowner IN (SELECT oid FROM role WHERE rolname IN ({owner}, {former}))
      AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(nspacl) a
        WHERE a.grantee = 0 OR a.grantee IN (SELECT oid FROM other))),
  'relations', (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(rolname, nspname, relname, relkind))
    FROM thing, other
    WHERE NOT EXISTS (SELECT FROM pg_catalog.aclexplode(relacl) a WHERE a.grantee IN (SELECT oid FROM other))),
  'records', (SELECT pg_catalog.json_agg(DISTINCT nspname) FROM thing, pg_catalog.aclexplode(relacl) a
    WHERE relname = {record} AND a.grantee = (SELECT oid FROM role WHERE rolname = {writers})
      AND privilege_type IN ('INSERT', 'UPDATE', 'DELETE')))
"""
#: SELECT on tables and sequences and USAGE of schemas for both, USAGE of sequences for one: what `defaults` counts
DEFAULTS = 7
OBJECTS = """
DO $$ DECLARE one oid; BEGIN
  FOR one IN SELECT oid FROM pg_catalog.pg_largeobject_metadata
    WHERE pg_catalog.pg_get_userbyid(lomowner) = {owner} LOOP
    EXECUTE pg_catalog.format('ALTER LARGE OBJECT %s OWNER TO %I', one, {user});
  END LOOP;
END $$;
"""
BUSY = """
SELECT pg_catalog.format('process %s (%s, %s), %s for %s s', pid, usename, application_name, state,
  pg_catalog.round(EXTRACT(epoch FROM pg_catalog.now() - xact_start))) FROM pg_catalog.pg_stat_activity
WHERE datname = {database} AND xact_start < pg_catalog.now() - interval '{seconds} s'
"""


@dataclass(frozen=True)
class Wanted:
    """A role, as it has to be."""

    name: str
    login: bool = True
    #: Attributes of PRIVILEGES that it has
    privileges: tuple[str, ...] = ()
    #: Roles that it is a member of
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Names:
    """The application's database and its roles. Where the application owns its schema, user and owner are one."""

    database: str
    user: str
    owner: str

    @property
    def writers(self) -> str:
        """Return the group of the roles that change rows."""
        return f"{self.user}_writers"

    @property
    def reader(self) -> str:
        """Return the role of people who look."""
        return f"{self.user}_reader"

    @property
    def copier(self) -> str:
        """Return the role that reads everything and owns a copy that may leave the machine."""
        return f"{self.user}_copier"

    @property
    def second(self) -> str:
        """Return the other role that logs in over the network as the application."""
        return f"{self.user}_b"

    @property
    def former(self) -> str:
        """Return the other of the two that may be the owner: what it owns is the owner's."""
        return self.user if self.owner != self.user else f"{self.user}_owner"

    def roles(self, tests: bool = False, second: bool | None = None) -> list[Wanted]:
        """Return the roles.

        Args:
            tests: the owner makes databases for the application's tests.
            second: whether the second role may log in; None where there is none.
        """
        makes = ("rolcreatedb",) if tests else ()
        found = [
            Wanted(self.writers, login=False),
            Wanted(self.user, privileges=makes if self.owner == self.user else (), groups=(self.writers,)),
            Wanted(self.reader),
            Wanted(READER, groups=("pg_monitor",)),
            # It changes nothing of the application's. Policies must not keep rows out of a copy.
            Wanted(self.copier, privileges=("rolbypassrls",), groups=("pg_read_all_data",)),
        ]
        if second is not None:
            found.append(Wanted(self.second, login=second, groups=(self.user,)))
        if self.owner != self.user:
            # Policies that bind a table's owner, too, must not keep rows out of a copy. A member of `user`: what that
            # has made in its own name (large objects) is in the copy.
            found.append(Wanted(self.owner, privileges=("rolbypassrls", *makes), groups=(self.user,)))
        return found

    def values(self) -> dict[str, str]:
        """Return the names as SQL constants."""
        return {
            "user": literal(self.user), "owner": literal(self.owner), "former": literal(self.former),
            "writers": literal(self.writers), "reader": literal(self.reader), "database": literal(self.database),
            "record": literal(RECORD),
        }  # fmt: skip


def hand_over(database: str, owner: str) -> str:
    """Return the SQL that gives a closed database to its owner and lets people in."""
    alter = f"ALTER DATABASE {identifier(database)}"
    return f"BEGIN; {alter} OWNER TO {identifier(owner)}; {alter} CONNECTION LIMIT -1; COMMIT;"


def look_at_roles(server: Server, names: Names, wanted: Iterable[Wanted]) -> dict[str, Any]:
    """Return what the server has of the roles and of the database; raises HostError."""
    known = [literal(name) for name in {one.name for one in wanted} | {names.former, names.second}]
    query = ROLES.format(
        attributes=", ".join(PRIVILEGES), names=", ".join(sorted(known)), database=literal(names.database),
        second=literal(names.second), powerful=POWERFUL,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(server.sql(query))
    return {name: value or {"roles": {}, "members": [], "powerful": []}.get(name) for name, value in found.items()}


def role_changes(found: Mapping[str, Any] | None, wanted: Wanted) -> list[tuple[str, str]]:
    """Return (what, SQL) that bring a role's attributes to their state."""
    target = {"rolcanlogin": wanted.login, **{name: name in wanted.privileges for name in PRIVILEGES}}
    allowed = " ".join(f"{'' if has else 'NO'}{WORDS[name]}" for name, has in target.items())
    if found is None:
        return [(f"create role {wanted.name}", f"CREATE ROLE {identifier(wanted.name)} {allowed};")]
    if any(bool(found[name]) != has for name, has in target.items()):
        return [(f"alter role {wanted.name}", f"ALTER ROLE {identifier(wanted.name)} {allowed};")]
    return []


def membership_changes(
    members: Iterable[Sequence[str]], wanted: Sequence[Wanted], powerful: Iterable[str], names: Names
) -> list[tuple[str, str]]:
    """Return (what, SQL) that put roles into their groups, and out of what is as good as a superuser.

    What comes first is taken away: roles cannot be members of each other.
    """
    there = {(member, group) for member, group in members}
    due = {(one.name, group) for one in wanted for group in one.groups}
    ours = {one.name for one in wanted} | {names.former}
    forbidden = {SUPERUSER, *RUN_PROGRAMS, *powerful} | ours
    gone = sorted(pair for pair in there - due if pair[1] in forbidden)
    changes = [(f"take {a} out of {b}", f"REVOKE {identifier(b)} FROM {identifier(a)};") for a, b in gone]
    return changes + [
        (f"put {a} into {b}", f"GRANT {identifier(b)} TO {identifier(a)};") for a, b in sorted(due - there)
    ]


def look_inside(server: Server, names: Names, database: str = "") -> dict[str, Any]:
    """Return what is to be settled in the database; raises HostError."""
    found: dict[str, Any] = json.loads(server.sql(STATE.format(**names.values()), database or names.database, READER))
    return found


def settling(found: Mapping[str, Any], names: Names) -> list[tuple[str, str]]:
    """Return (what, SQL) that give the owner what is its own, and the others their rights; the owner runs it."""
    owner, writers, reader = identifier(names.owner), identifier(names.writers), identifier(names.reader)
    changes = []
    if found["objects"]:
        changes.append((f"give large objects to {names.user}", OBJECTS.format(**names.values())))
    if (found["public"] or {}).get("open") and found["public"]["owner"] in (names.owner, "pg_database_owner"):
        changes.append(("close schema public", "REVOKE CREATE ON SCHEMA public FROM PUBLIC;"))
    if found["defaults"] < DEFAULTS:
        sql = "".join(
            f"ALTER DEFAULT PRIVILEGES GRANT {right} ON {kind} TO {role};"
            for role, right, kind in (
                (writers, WRITING, "TABLES"), (writers, COUNTING, "SEQUENCES"), (writers, "USAGE", "SCHEMAS"),
                (reader, READING, "TABLES"), (reader, READING, "SEQUENCES"), (reader, "USAGE", "SCHEMAS"),
            )
        )  # fmt: skip
        changes.append((f"set the default privileges of {names.owner}", sql))
    for role, schema in found["schemas"] or []:
        sql = f"GRANT USAGE ON SCHEMA {identifier(schema)} TO {identifier(role)};"
        changes.append((f"grant schema {schema} to {role}", sql))
    granted: dict[str, list[str]] = {}
    for role, schema, relation, kind in found["relations"] or []:
        if role == names.reader or relation == RECORD or kind == "m":
            right = READING
        else:
            right = COUNTING if kind == "S" else WRITING
        what = "SEQUENCE" if kind == "S" else "TABLE"
        place = f"{identifier(schema)}.{identifier(relation)}"
        granted.setdefault(role, []).append(f"GRANT {right} ON {what} {place} TO {identifier(role)};")
    changes += [(f"grant {len(sqls)} tables to {role}", "".join(sqls)) for role, sqls in sorted(granted.items())]
    for schema in found["records"] or []:
        sql = f"REVOKE INSERT, UPDATE, DELETE ON {identifier(schema)}.{identifier(RECORD)} FROM {writers};"
        changes.append((f"keep {RECORD} from {names.writers}", sql))
    if found["former"]:
        # Last, so that nobody is without rights for a moment.
        sql = f"REASSIGN OWNED BY {identifier(names.former)} TO {owner};"
        changes.append((f"give what {names.former} owns to {names.owner}", sql))
    return changes


def settle(server: Server, names: Names, database: str = "", *, dry: bool = False) -> list[str]:
    """Bring ownership and rights in the database to their state, all or nothing; returns what was done.

    Raises HostError.
    """
    database = database or names.database
    found = look_inside(server, names, database)
    public = found["public"]
    done = []
    if public and public["owner"] not in (names.owner, names.former, "pg_database_owner"):
        # PostgreSQL 14 made the schema the superuser's. A change of owner runs no code of the database.
        done.append("give schema public to the database's owner")
        if not dry:
            server.sql_of_superuser("ALTER SCHEMA public OWNER TO pg_database_owner;", database)
            public["owner"] = "pg_database_owner"
    others = takeover.look(server, names, database)
    done += takeover.words(others, names)
    if others and not dry:
        take = f"BEGIN; SET LOCAL lock_timeout = '{LOCK_SECONDS}s'; {takeover.statement(names)} COMMIT;"
        waiting(server, database, lambda: server.sql_of_superuser(take, database))
        found = look_inside(server, names, database)
    changes = settling(found, names)
    done += [what for what, _ in changes]
    if not changes or dry:
        return done
    former, owner = identifier(names.former), identifier(names.owner)
    # Whoever reassigns is a member of both; where the application owns its schema, for this moment.
    lent = bool(found["former"]) and names.owner == names.user
    if lent:
        server.sql(f"GRANT {former} TO {owner};")
    try:
        change(server, names, database, "".join(sql for _, sql in changes))
    finally:
        if lent:
            server.sql(f"REVOKE {former} FROM {owner};")
    # Large objects came along, and go back.
    return done + (settle(server, names, database) if found["former"] else [])


def change(server: Server, names: Names, database: str, sql: str) -> None:
    """Run SQL as the owner, all or nothing; names who is in the way in HostError."""
    whole = f"BEGIN; SET LOCAL lock_timeout = '{LOCK_SECONDS}s'; {sql} COMMIT;"
    waiting(server, database, lambda: server.sql(whole, database, names.owner))


def waiting(server: Server, database: str, action: Callable[[], object]) -> None:
    """Do what waits for tables; names who is in the way in HostError."""
    try:
        action()
    except HostError as error:
        if "lock timeout" not in str(error):
            raise
        busy = server.sql(BUSY.format(database=literal(database), seconds=LOCK_SECONDS)) or "nobody any more"
        raise HostError(
            f"Tables get another owner, and one was in use for longer than {LOCK_SECONDS} s. In a transaction: {busy}",
            "Run this again when that is done. To end it: sudo -u postgres psql -c 'SELECT pg_terminate_backend(…)'",
        ) from None
