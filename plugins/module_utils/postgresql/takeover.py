"""What others own of the application: the tables of a dump that was loaded as somebody else.

The database's owner gets it where it is the application's for certain. That is what belongs to a role that has the
record of Django's migrations, and what a superuser owns in a schema that has such a record. An extension's own stays;
so does what a superuser's functions do with the superuser's rights, and what another role keeps beside the application.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..common.postgresql import READER, literal

if TYPE_CHECKING:
    from .ownership import Names
    from .server import Server

#: Says which migrations have run: the application reads it.
RECORD = "django_migrations"
#: Rows (owner, statement up to `OWNER TO`). Names are written in full: the search path has nothing but the catalogue.
OTHERS = """
WITH record AS (
  SELECT relnamespace, relowner FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace
  WHERE relname = {record} AND relkind IN ('r', 'p') AND nspname !~ '^pg_'),
role AS (
  SELECT oid, rolname, rolsuper FROM pg_catalog.pg_roles WHERE rolname NOT IN ({ours})
    AND (rolsuper OR oid IN (SELECT relowner FROM record))),
thing AS (
  SELECT 'pg_catalog.pg_class'::pg_catalog.regclass AS kind, oid, relowner AS owner, relnamespace AS space,
    true AS plain,
    pg_catalog.format(CASE relkind WHEN 'S' THEN 'SEQUENCE %s' WHEN 'v' THEN 'VIEW %s'
      WHEN 'm' THEN 'MATERIALIZED VIEW %s' ELSE 'TABLE %s' END, oid::pg_catalog.regclass) AS what
  FROM pg_catalog.pg_class c WHERE relkind IN ('r', 'p', 'v', 'm', 'S')
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE relkind = 'S' AND d.objid = c.oid
      AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND deptype IN ('a', 'i'))
  UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, proowner, pronamespace,
    NOT prosecdef AND lanpltrusted, pg_catalog.format('ROUTINE %s', p.oid::pg_catalog.regprocedure)
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = prolang WHERE prokind <> 'a'
  UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, oid, proowner, pronamespace, true,
    pg_catalog.format('ROUTINE %s', oid::pg_catalog.regprocedure) FROM pg_catalog.pg_proc WHERE prokind = 'a'
  UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, typowner, typnamespace, true,
    pg_catalog.format('%s %s', CASE typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END, t.oid::pg_catalog.regtype)
  FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_class c ON c.oid = typrelid
  WHERE typtype IN ('d', 'e', 'r') OR c.relkind = 'c'
  UNION ALL SELECT 'pg_catalog.pg_ts_config'::pg_catalog.regclass, oid, cfgowner, cfgnamespace, true,
    pg_catalog.format('TEXT SEARCH CONFIGURATION %s', oid::pg_catalog.regconfig) FROM pg_catalog.pg_ts_config
  UNION ALL SELECT 'pg_catalog.pg_ts_dict'::pg_catalog.regclass, oid, dictowner, dictnamespace, true,
    pg_catalog.format('TEXT SEARCH DICTIONARY %s', oid::pg_catalog.regdictionary) FROM pg_catalog.pg_ts_dict
  UNION ALL SELECT 'pg_catalog.pg_collation'::pg_catalog.regclass, oid, collowner, collnamespace, true,
    pg_catalog.format('COLLATION %s', oid::pg_catalog.regcollation) FROM pg_catalog.pg_collation
  UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid, stxowner, stxnamespace, true,
    pg_catalog.format('STATISTICS %I.%I', nspname, stxname)
  FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid = stxnamespace
  UNION ALL SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass, oid, nspowner, oid, nspname <> 'public',
    pg_catalog.format('SCHEMA %I', nspname) FROM pg_catalog.pg_namespace),
due AS (
  SELECT rolname, 'ALTER ' || what AS statement FROM thing
  JOIN role ON role.oid = owner JOIN pg_catalog.pg_namespace n ON n.oid = space
  WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
    AND (NOT rolsuper OR (plain AND space IN (SELECT relnamespace FROM record)))
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
      WHERE d.classid = kind AND d.objid = thing.oid AND deptype = 'e'))
"""
LOOK = """
{others} SELECT pg_catalog.json_object_agg(rolname, number) FROM (
  SELECT rolname, pg_catalog.count(*) AS number FROM due GROUP BY rolname ORDER BY rolname) counted
"""
#: Looks again, as the one that changes: nothing that was told before is believed.
TAKE = """
DO $$ DECLARE one text; BEGIN
  FOR one IN {others} SELECT statement FROM due LOOP
    EXECUTE pg_catalog.format('%s OWNER TO %I', one, {owner});
  END LOOP;
END $$;
"""


def others(names: Names) -> str:
    """Return the SQL that finds what is to be taken over, up to its last query."""
    ours = (names.owner, names.former, names.user, names.second, names.writers, names.reader, READER)
    return OTHERS.format(record=literal(RECORD), ours=", ".join(literal(name) for name in sorted(set(ours))))


def look(server: Server, names: Names, database: str) -> dict[str, int]:
    """Return how many things of the application belong to whom else; raises HostError."""
    found: dict[str, int] = json.loads(server.sql(LOOK.format(others=others(names)), database, READER) or "{}")
    return found


def words(found: dict[str, int], names: Names) -> list[str]:
    """Return what is done with it, in words."""
    return [
        f"give {number} table{'s' if number > 1 else ''} and the like of {role} to {names.owner}"
        for role, number in found.items()
    ]


def statement(names: Names) -> str:
    """Return the SQL that takes it over; the superuser runs it, and nothing that lies in the database."""
    return TAKE.format(others=others(names), owner=literal(names.owner))
