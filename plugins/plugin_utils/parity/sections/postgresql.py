"""Section `postgresql` in comparisons: the database server."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

#: What role postgresql works out from the machine's memory
SIZED = "shared_buffers,effective_cache_size,maintenance_work_mem,work_mem"
#: What decides how many connections there are room for
CONNECTED = "database_settings topology processors web_processes web_threads"
ORDER, SHORT = 110, "pg"
RULES = f"""
postgresql/file:*                            | never                             | what files say and is not in force
postgresql/database:*_replaced_20*t*         | changes                           | a restore keeps it for a while
settings/DATABASES*                          | release app_live_path topology    | where the database is
postgresql/setting:{{{SIZED}}}               | database_settings memory topology | sized from the machine
postgresql/setting:{{listen_addresses,ssl*}} | topology machine_address          | other machines use the database
postgresql/setting:max_connections           | {CONNECTED}                       | sized with what connects
postgresql/setting:*                         | database_settings                 | settings of the environment's own
postgresql/{{rules,role:*}}                  | topology machine_address          | other machines use the database
sockets/tcp *:5432                           | topology machine_address          | other machines use the database
"""
#: The decisions behind its variable of the application, and behind its files
WRONG = {"superusers": "as good as a superuser of the database server, and nobody declared it"}
ENVIRONMENT = {"DATABASE_URL": "topology"}
FILES = {"/etc/postgresql/*": "database_settings memory topology machine_address"}


def remedy(case: Case) -> str:
    """Settings of the server, extensions, roles."""
    kind, _, name = case.key.partition(":")
    if kind == "extension" and case.is_extra:
        return f"{case.verb('dbshell', ' --as owner')}, there: DROP EXTENSION {name}"
    by_hand = {
        "setting": f'sudo -u postgres psql -c "ALTER SYSTEM RESET {name}" -c "SELECT pg_reload_conf()"',
        "file": "put the files back (./samestack provision does so with ours), then: sudo systemctl reload postgresql",
        **({"superusers": without_rights(case)} if kind == "superusers" else {}),
        **({"role": f'sudo -u postgres psql -c "DROP ROLE {name}"'} if case.is_extra else {}),
        **({"database": f'sudo -u postgres psql -c "DROP DATABASE {name}"'} if case.is_extra else {}),
    }
    return case.by_hand(by_hand[kind]) if kind in by_hand else case.provision


def without_rights(case: Case) -> str:
    """Return the command that takes a superuser's rights from the roles of a case; provision does so with ours."""
    changes = " ".join(f'-c "ALTER ROLE {name} NOSUPERUSER NOCREATEROLE"' for name in case.value)
    return f"sudo -u postgres psql {changes}"
