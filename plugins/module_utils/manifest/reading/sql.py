"""Asks the PostgreSQL server on this host, as its superuser and without changing anything."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from .machine import MissingError

if TYPE_CHECKING:
    from .machine import Host

SOCKETS = "/var/run/postgresql"
# Nobody waits for a table that somebody else has locked.
ONE = "SELECT jsonb_build_object('{name}', (SELECT coalesce(jsonb_agg(q), '[]') FROM ({text}) q));"
GUARD = "SET statement_timeout = '30s'; SET lock_timeout = '2s'; SET default_transaction_read_only = on;\n"


def rows(host: Host, queries: dict[str, str], database: str) -> dict[str, Any]:
    """Return the rows of each query as lists of JSON values; raises MissingError.

    All of them are one call. Each query is the text of a SELECT; what it names is what the rows' dictionaries have.
    """
    if "db" not in host.config["functions"]:
        raise MissingError("the database is on another machine")
    parts = [ONE.format(name=name, text=text) for name, text in queries.items()]
    command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", SOCKETS, "-p", str(host.config["database_port"])]
    if not os.path.exists(host.path("/usr/bin/psql")):
        raise MissingError("PostgreSQL is not installed")
    out = host.run(
        *command, "-d", database, user="postgres", stdin=GUARD + "\n".join(parts),
        environment={"PGCONNECT_TIMEOUT": "20", "PGAPPNAME": "samestack manifest"},
    )  # fmt: skip
    found: dict[str, Any] = {}
    for line in out.splitlines():
        found |= json.loads(line)
    return found
