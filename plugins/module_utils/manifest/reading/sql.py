"""Asks the PostgreSQL server on this host, without changing anything: as whom and where, says common/postgresql.py."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from ...common import postgresql
from .machine import MissingError

if TYPE_CHECKING:
    from .machine import Host

ONE = "SELECT jsonb_build_object('{name}', (SELECT coalesce(jsonb_agg(q), '[]') FROM ({text}) q));"
# Nobody waits for a table that somebody else has locked.
GUARD = "SET statement_timeout = '30s'; SET lock_timeout = '2s'; SET default_transaction_read_only = on;\n"


def rows(
    host: Host, queries: dict[str, str], database: str = postgresql.SERVER_DATABASE, role: str = postgresql.SUPERUSER
) -> dict[str, Any]:
    """Return the rows of each query as lists of JSON values; raises MissingError.

    All of them are one call. Each query is the text of a SELECT; what it names is what the rows' dictionaries have.
    """
    if "db" not in host.config["functions"]:
        raise MissingError("the database is on another machine")
    parts = [ONE.format(name=name, text=text) for name, text in queries.items()]
    if not os.path.exists(host.path("/usr/bin/psql")):
        raise MissingError("PostgreSQL is not installed")
    command = postgresql.psql(port=int(host.config["database_port"]), database=database, role=role)
    own = postgresql.settings(role, "manifest")
    out = host.run(*command, user=postgresql.ACCOUNT, stdin=GUARD + "\n".join(parts), environment=own)
    found: dict[str, Any] = {}
    # Names may have any other separator of lines in them; JSON writes this one as two characters.
    for line in filter(None, out.split("\n")):
        found |= json.loads(line)
    return found
