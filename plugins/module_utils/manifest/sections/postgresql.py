"""Section `postgresql`: the server's version, settings in force and waiting, extensions, collations, roles, rules."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from ...common.postgresql import POWERFUL, READER
from ..reading.postgresql_files import waiting
from ..reading.sql import grants, rows
from ..section import Collector, Service

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..reading.machine import Host, Section

#: They may hold a password.
SECRET = ("primary_conninfo", "ssl_passphrase_command")
# The name of a pair of ours follows from the machine's address.
PAIR = re.compile(r"server-[0-9a-f]{8}\.pem")

ATTRIBUTES = {
    "rolsuper": "superuser", "rolcanlogin": "login", "rolcreaterole": "createrole", "rolcreatedb": "createdb",
    "rolreplication": "replication", "rolbypassrls": "bypassrls", "rolinherit": "inherit",
}  # fmt: skip
# Columns that the oldest supported server has not got are null there.
DATABASES = """
    SELECT d.datname AS name, pg_get_userbyid(datdba) AS owner, pg_encoding_to_char(encoding) AS encoding,
      datcollate AS collate, datctype AS ctype, to_jsonb(d)->>'datlocprovider' AS provider,
      to_jsonb(d)->>'datcollversion' AS collation, datconnlimit AS connections, datallowconn AS allowed,
      {grants} AS grants
    FROM pg_database d WHERE NOT datistemplate"""
#: What the server is asked about itself
QUERIES = {
    "settings": """
        SELECT name, current_setting(name) AS value FROM pg_settings
        WHERE source NOT IN ('default', 'override', 'client', 'session', 'interactive', 'test')""",
    "presets": """
        SELECT name, current_setting(name) AS value FROM pg_settings
        WHERE name IN ('server_version', 'server_encoding', 'data_checksums', 'block_size', 'wal_segment_size')""",
    "files": """
        SELECT DISTINCT ON (name) name, setting, applied, error, sourcefile
        FROM pg_file_settings WHERE name IS NOT NULL ORDER BY name, seqno DESC""",
    "known": """
        SELECT name, setting, unit, boot_val, source, vartype FROM pg_settings
        WHERE lower(name) IN (SELECT lower(name) FROM pg_file_settings) OR source = 'configuration file'""",
    "loaded": "SELECT extract(epoch FROM pg_conf_load_time()) AS time",
    "per_role": """
        SELECT coalesce(d.datname, 'any database') AS database, coalesce(r.rolname, 'any role') AS role,
          unnest(setconfig) AS setting
        FROM pg_db_role_setting LEFT JOIN pg_database d ON d.oid = setdatabase
          LEFT JOIN pg_roles r ON r.oid = setrole""",
    "databases": DATABASES.format(grants=grants("datacl", "'d'", "datdba")),
    "powerful": POWERFUL,
    "roles": """
        SELECT rolname AS name, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication,
          rolbypassrls, rolconnlimit, rolvaliduntil, rolpassword,
          ARRAY(SELECT pg_get_userbyid(roleid) FROM pg_auth_members m WHERE m.member = r.oid ORDER BY 1) AS member_of
        FROM pg_authid r WHERE rolname !~ '^pg_'""",
    "rules": """
        SELECT line_number AS line, type, database, user_name AS users, address, netmask, auth_method AS method,
          options, error
        FROM pg_hba_file_rules ORDER BY line_number""",
    "replication": "SELECT slot_name AS name, slot_type AS type FROM pg_replication_slots",
}
#: What is in the application's database; nobody who asks there may do anything else
INSIDE = {
    "extensions": """
        SELECT extname AS name, extversion AS version, n.nspname AS schema
        FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace""",
    "collations": """
        SELECT CASE collprovider WHEN 'c' THEN 'libc' WHEN 'i' THEN 'ICU' ELSE collprovider::text END AS provider,
          max(pg_collation_actual_version(oid)) AS version
        FROM pg_collation WHERE collprovider IN ('c', 'i') GROUP BY 1""",
}


def collect(host: Host) -> Section:
    """Return the section; raises MissingError."""
    found = rows(host, QUERIES) | rows(host, INSIDE, host.config["database"], READER)
    section: Section = {row["name"].replace("_", " "): row["value"] for row in found["presets"]}
    section["version"] = section.pop("server version", "")
    for row in found["settings"]:
        section[f"setting:{row['name']}"] = setting(host, row["name"], row["value"])
    section |= {
        f"file:{name}": PAIR.sub("server-….pem", why) for name, why in waiting(found["files"], found["known"]).items()
    }
    section |= rules(found["rules"], changed_since(host, float(found["loaded"][0]["time"])))
    for row in found["per_role"]:
        name, _, value = row["setting"].partition("=")
        section[f"setting:{name} for {row['role']} in {row['database']}"] = setting(host, name, value)
    section |= {f"extension:{row['name']}": f"{row['version']} in {row['schema']}" for row in found["extensions"]}
    section |= {f"collations:{row['provider']}": row["version"] for row in found["collations"]}
    section |= {f"database:{row['name']}": database(row) for row in found["databases"]}
    section |= {f"replication:{row['name']}": row["type"] for row in found["replication"]}
    for row in found["roles"]:
        section[f"role:{row['name']}"] = role(row)
        if row["rolpassword"]:
            section[f"role:{row['name']}:password"] = host.keyed(row["rolpassword"])
    powerful = [row["name"] for row in found["powerful"]]
    return section | ({"superusers": powerful} if powerful else {})


def setting(host: Host, name: str, value: str) -> str:
    """Return a setting's value without secrets."""
    if value and name in SECRET:
        return str(host.keyed(value))
    return str(host.secrets.masked(PAIR.sub("server-….pem", value)))


def role(row: Mapping[str, Any]) -> str:
    """Return a role's attributes in words."""
    words = [word for name, word in ATTRIBUTES.items() if row[name]]
    stored = row["rolpassword"] or ""
    kind = "SCRAM" if stored.startswith("SCRAM-SHA-256") else "MD5" if stored.startswith("md5") else "some"
    words += [f"{kind} password"] if stored else ["no password"]
    words += [f"at most {row['rolconnlimit']} connections"] if row["rolconnlimit"] >= 0 else []
    words += [f"until {row['rolvaliduntil']}"] if row["rolvaliduntil"] else []
    words += [f"member of {name}" for name in row["member_of"]]
    return ", ".join(words)


def database(row: Mapping[str, Any]) -> str:
    """Return a database's attributes in words."""
    provider = {"c": "libc", "i": "ICU", "b": "builtin"}.get(row["provider"] or "c", str(row["provider"]))
    collation = f"collation {row['collate']}" + ("" if row["ctype"] == row["collate"] else f", ctype {row['ctype']}")
    words = [f"owner {row['owner']}", row["encoding"], f"{collation} of {provider}"]
    words += [f"collation version {row['collation']}"] if row["collation"] else []
    words += [f"at most {row['connections']} connections"] if row["connections"] >= 0 else []
    words += [] if row["allowed"] else ["no connections allowed"]
    words += [f"grants {' '.join(sorted(row['grants']))}"] if row["grants"] else []
    return ", ".join(words)


def rules(found: Iterable[Mapping[str, Any]], changed: list[str]) -> Section:
    """Return who may connect, in the order in which the rules count, and whether the server has read them."""
    lines = []
    for row in found:
        if row["error"]:
            lines.append(f"error: {row['error']}")
            continue
        place = "/".join(part for part in (row["address"], row["netmask"]) if part)
        words = [row["type"], ",".join(row["database"]), ",".join(row["users"]), place, row["method"]]
        lines.append(" ".join(word for word in [*words, *(row["options"] or [])] if word))
    return {"rules": lines} | {f"file:{name}": "changed since the server has read it" for name in changed}


def changed_since(host: Host, time: float) -> list[str]:
    """Return the names of the files with rules that were changed after a time (seconds since 1970)."""
    names = []
    folder = config_folder(host)
    for name in ("pg_hba.conf", "pg_ident.conf"):
        try:
            if folder and os.stat(os.path.join(folder, name)).st_mtime > time + 1:
                names.append(name)
        except OSError:
            continue
    return names


def config_folder(host: Host) -> str:
    """Return the folder of the newest cluster's configuration."""
    try:
        versions = sorted(os.listdir(host.path("/etc/postgresql")), key=float)
    except (OSError, ValueError):
        return ""
    return os.path.join(host.path("/etc/postgresql"), versions[-1], "main") if versions else ""


SECTIONS = (Collector("postgresql", lambda host, _live: collect(host)),)
SERVICE = Service(
    units=("postgresql@.+",),
    certificates=("/etc/postgresql/*/main/server-*.pem",),
    own_files=("/etc/postgresql/*/server-*.pem",),
    open_files={"/etc/postgresql/*/pg_hba.conf": "", "/etc/postgresql/*/pg_ident.conf": ""},
)
