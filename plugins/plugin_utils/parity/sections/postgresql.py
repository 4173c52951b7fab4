"""Section `postgresql` in comparisons: the database server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

#: What role postgresql works out from the machine's memory; `work_mem` is the share of a connection
SIZED = "shared_buffers,effective_cache_size,maintenance_work_mem"
#: What decides how many connections there are room for
CONNECTED = "database_settings topology processors web_processes web_threads app_workers"
#: What decides who uses the server: tests make databases where live code is served
USED = "topology machine_address watch_exporters app_live_path"
#: What decides which extensions there are: a migration may create one
MADE = "release app_live_path database_extensions"
ORDER, SHORT = 110, "pg"
RULES = f"""
postgresql/file:*                            | never                             | what files say and is not in force
postgresql/extension:*                       | {MADE}                            | a migration may create it
postgresql/database:*_replaced_20*t*         | changes                           | a restore keeps it for a while
settings/DATABASES*                          | release app_live_path topology    | where the database is
postgresql/setting:{{{SIZED}}}               | database_settings memory topology | sized from the machine
postgresql/setting:{{listen_addresses,ssl*}} | topology machine_address          | other machines use the database
postgresql/setting:work_mem                  | {CONNECTED} memory                | a connection's share
postgresql/setting:max_connections           | {CONNECTED}                       | sized with what connects
postgresql/setting:*                         | database_settings                 | settings of the environment's own
postgresql/{{rules,role:*}}                  | {USED}                            | who uses the database
sockets/tcp *:5432                           | topology machine_address          | other machines use the database
"""
#: The decisions behind its variable of the application, and behind its files
WRONG = {"superusers": "as good as a superuser of the database server, and nobody declared it"}
ENVIRONMENT = {"DATABASE_URL": "topology"}
FILES = {"/etc/postgresql/*": f"memory {CONNECTED} machine_address watch_exporters"}
#: What belongs to one role or one database alone
FOR = re.compile(r"(\S+) for (.+) in (.+)")
ANY_ROLE, ANY_DATABASE = "any role", "any database"
#: What a role may be, as the record has it
ATTRIBUTES = ("superuser", "login", "createrole", "createdb", "replication", "bypassrls", "inherit")
#: What no file of settings decides
BY_PROVISION = {"data_checksums": "provision while visitors see the maintenance page (docs/backups.md)"}
#: What takes away what somebody has made
GONE = {
    "role": "DROP ROLE IF EXISTS {name}",
    "database": "DROP DATABASE {name}",
    "replication": "SELECT pg_drop_replication_slot({text})",
}


def remedy(case: Case) -> str:
    """Settings of the server, extensions, roles."""
    kind, _, name = case.key.partition(":")
    if kind == "extension":
        return extension(case, name)
    if kind == "setting" and (found := FOR.fullmatch(name)):
        return case.psql(setting_of(case, *found.groups()))
    by_hand = {
        "setting": BY_PROVISION.get(
            name, f'sudo -u postgres psql -c "ALTER SYSTEM RESET {name}" -c "SELECT pg_reload_conf()"'
        ),
        "file": "put the files back (./samestack provision does so with ours), then: sudo systemctl reload postgresql",
        "collations": "the system has other collations than those of the others: bring all to one release of it",
        **({"superusers": without_rights(case)} if kind == "superusers" else {}),
    }
    if kind in by_hand:
        return case.by_hand(by_hand[kind])
    if case.is_extra and kind in GONE:
        whose = case.sql.identifier(name.removesuffix(":password"))
        return case.psql(GONE[kind].format(name=whose, text=case.sql.literal(name)))
    if kind == "role" and not case.is_lacking and (statements := attributes(case, name)):
        return case.psql("; ".join(statements))
    return case.provision


def attributes(case: Case, name: str) -> list[str]:
    """Return what gives a role the attributes and memberships that are due; none where something else differs."""
    now, wanted = (set(text.split(", ")) for text in (case.value_text, case.wanted_text))
    role = case.sql.identifier(name)
    words: list[str] = []
    statements: list[str] = []
    for word in sorted(now ^ wanted):
        _, member, of = word.partition("member of ")
        if member:
            verb, to = ("GRANT", "TO") if word in wanted else ("REVOKE", "FROM")
            statements.append(f"{verb} {case.sql.identifier(of)} {to} {role}")
        elif word in ATTRIBUTES:
            words.append(("" if word in wanted else "NO") + word.upper())
        else:
            return []
    return [*([f"ALTER ROLE {role} {' '.join(words)}"] if words else []), *statements]


def extension(case: Case, name: str) -> str:
    """Return what makes an extension as it is elsewhere; one that is in `database_extensions` comes with provision."""
    wanted = case.sql.identifier(name)
    if case.is_extra:
        return case.psql(f"DROP EXTENSION {wanted}", case.database)
    if case.is_lacking:
        decided = f"add {name} to database_extensions (in inventories/group_vars/all/app.yml), then "
        return case.provision if case.ours else f"{decided}{case.provision}"
    version, _, schema = case.wanted_text.partition(" in ")
    now, _, there = case.value_text.partition(" in ")
    changes = [f"UPDATE TO {case.sql.literal(version)}"] if now != version else []
    changes += [f"SET SCHEMA {case.sql.identifier(schema)}"] if there != schema else []
    return case.psql("; ".join(f"ALTER EXTENSION {wanted} {change}" for change in changes), case.database)


def setting_of(case: Case, name: str, role: str, database: str) -> str:
    """Return the statement for a setting of one role, of one database, or of one in the other."""
    what = f"DATABASE {case.sql.identifier(database)}" if role == ANY_ROLE else f"ROLE {case.sql.identifier(role)}"
    if (role, database) == (ANY_ROLE, ANY_DATABASE):
        what = "ROLE ALL"
    elif role != ANY_ROLE and database != ANY_DATABASE:
        what += f" IN DATABASE {case.sql.identifier(database)}"
    change = f"RESET {name}" if case.is_extra else f"SET {name} TO {case.sql.literal(case.wanted_text)}"
    return f"ALTER {what} {change}"


def without_rights(case: Case) -> str:
    """Return the command that takes a superuser's rights from the roles of a case; provision does so with ours."""
    changes = " ".join(f'-c "ALTER ROLE {name} NOSUPERUSER NOCREATEROLE"' for name in case.value)
    return f"sudo -u postgres psql {changes}"
