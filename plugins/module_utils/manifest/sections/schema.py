"""Sections `schema` and `migrations`: what the application's database consists of, and what it has had."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from ..reading.machine import MissingError
from ..reading.schema_queries import KINDS, MIGRATIONS, QUERIES
from ..reading.sql import rows

if TYPE_CHECKING:
    from ..reading.machine import Host, Section


def schema(host: Host) -> Section:
    """Return the section `schema`; raises MissingError."""
    found = rows(host, QUERIES, host.config["database"])
    section: Section = {row["name"]: row["text"] for row in found["columns"]}
    for kind in KINDS:
        section |= {f"{kind}:{row['name']}": row["text"] for row in found[kind]}
    for row in found["tables"]:
        words = [
            f"owner {row['owner']}",
            *(["unlogged"] if row["unlogged"] else []),
            *(["row security"] if row["secured"] else []),
        ]
        words += [" ".join(sorted(row[name])) for name in ("options", "grants") if row[name]]
        words += [row["definition"]] if row["definition"] else []
        section[f"{row['kind']}:{row['name']}"] = ", ".join(words)
    for row in found["schemas"]:
        section[f"schema:{row['name']}"] = " ".join([f"owner {row['owner']}", *sorted(row["grants"] or [])])
    text = json.dumps(section, sort_keys=True)
    section["digest"] = "sha256:" + hashlib.sha256(text.encode()).hexdigest()[:32]
    return section


def migrations(host: Host) -> Section:
    """Return the section `migrations`; raises MissingError."""
    try:
        found = rows(host, {"applied": MIGRATIONS}, host.config["database"])
    except MissingError as missing:
        if "django_migrations" in str(missing):
            raise MissingError("the database has had no migration yet") from None
        raise
    section: dict[str, list[str]] = {}
    for row in found["applied"]:
        section.setdefault(row["app"], []).append(row["name"])
    return dict(section)
