"""Section `postgresql` in comparisons: the database server."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

#: What role postgresql works out from the machine's memory
SIZED = "shared_buffers,effective_cache_size,maintenance_work_mem,work_mem"
ORDER, SHORT = 110, "pg"
RULES = f"""
postgresql/file:*                            | never                             | what files say and is not in force
settings/DATABASES*                          | release app_live_path topology    | where the database is
postgresql/setting:{{{SIZED}}}               | database_settings memory topology | sized from the machine
postgresql/setting:{{listen_addresses,ssl*}} | topology machine_address          | other machines use the database
postgresql/setting:*                         | database_settings                 | settings of the environment's own
postgresql/{{rules,role:*}}                  | topology machine_address          | other machines use the database
sockets/tcp *:5432                           | topology machine_address          | other machines use the database
"""
#: The decisions behind its variable of the application, and behind its files
ENVIRONMENT = {"DATABASE_URL": "topology"}
FILES = {"/etc/postgresql/*": "database_settings memory topology machine_address"}


def remedy(case: Case) -> str:
    """Settings of the server, extensions, roles."""
    kind, _, name = case.key.partition(":")
    if kind == "setting":
        return case.by_hand(f'sudo -u postgres psql -c "ALTER SYSTEM RESET {name}" -c "SELECT pg_reload_conf()"')
    if kind == "extension" and case.is_extra:
        return case.by_hand(f'sudo -u postgres psql -d {case.database} -c "DROP EXTENSION {name}"')
    if kind == "file":
        return case.by_hand(
            "put the files back (./samestack provision does so with ours), then: sudo systemctl reload postgresql"
        )
    if kind == "role" and case.is_extra:
        return case.by_hand(f'sudo -u postgres psql -c "DROP ROLE {name}"')
    if kind == "database" and case.is_extra:
        return case.by_hand(f'sudo -u postgres psql -c "DROP DATABASE {name}"')
    return case.provision
