"""Asks the PostgreSQL server on this host, without changing anything: as whom and where, says common/postgresql.py."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from ...common import postgresql
from .machine import MissingError, NotHereError

if TYPE_CHECKING:
    from .machine import Host

ONE = "SELECT jsonb_build_object('{name}', (SELECT coalesce(jsonb_agg(q), '[]') FROM ({text}) q));"
# Nobody waits for a table that somebody else has locked.
GUARD = "SET statement_timeout = '30s'; SET lock_timeout = '2s'; SET default_transaction_read_only = on;\n"
# PostgreSQL stores nothing where nobody has said anything, and what is usual where somebody has: the same rights.
GRANTS = """ARRAY(
      SELECT pg_catalog.concat(prefix, CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(grantee) END,
        '=', pg_catalog.string_agg(privilege_type || CASE WHEN is_grantable THEN '*' ELSE '' END, ','
          ORDER BY privilege_type))
      FROM (SELECT '' AS prefix, more.* FROM (
          SELECT grantee, privilege_type, is_grantable FROM pg_catalog.aclexplode(coalesce({acl}, {usual}))
          EXCEPT SELECT grantee, privilege_type, is_grantable FROM pg_catalog.aclexplode({usual})) more
        UNION ALL SELECT 'without ', less.* FROM (
          SELECT grantee, privilege_type, is_grantable FROM pg_catalog.aclexplode({usual})
          EXCEPT SELECT grantee, privilege_type, is_grantable FROM pg_catalog.aclexplode(coalesce({acl}, {usual}))) less
      ) rights GROUP BY prefix, grantee)"""


def grants(acl: str, kind: str, owner: str) -> str:
    """Return the SQL of the rights that differ from what an owner and the public have anyway.

    Args:
        acl: the column with them.
        kind: SQL of PostgreSQL's letter for the kind of thing (acldefault()).
        owner: the column with the owner's number.
    """
    return GRANTS.format(acl=acl, usual=f"pg_catalog.acldefault({kind}, {owner})")


def rows(
    host: Host, queries: dict[str, str], database: str = postgresql.SERVER_DATABASE, role: str = postgresql.SUPERUSER
) -> dict[str, Any]:
    """Return the rows of each query as lists of JSON values; raises MissingError.

    All of them are one call. Each query is the text of a SELECT; what it names is what the rows' dictionaries have.
    """
    if "db" not in host.config["functions"]:
        raise NotHereError("the database is on another machine")
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
