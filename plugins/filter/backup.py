"""Filters of role backup: what the decision about repositories means on a host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .recorder import program_files

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

#: What the program `backup` of a host is made of, as it lies in module_utils
PROGRAM = (
    "__init__.py", "common/*.py", "backup/*.py", "postgresql/__init__.py", "postgresql/server.py",
    "release/__init__.py", "release/place.py", "release/interpreter.py",
    "standalone/__init__.py", "standalone/certificates.py",
)  # fmt: skip


def backup_program_files(folder: str) -> list[dict[str, str]]:
    """Return `system_state` entries that put the program of a host into a folder."""
    return program_files(folder, PROGRAM)


def backup_stores(repositories: Iterable[Mapping[str, Any]], does: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """Return where a host's pgBackRest puts the database (`databases`), and where its files are copied to (`uploads`).

    Args:
        repositories: the decision `backup_repositories`.
        does: what the host has (database, uploads, keeps).

    What another host fetches lies in a repository here until it has it; it `keeps` one full backup. Where there is a
    local repository as well, that is the one. The host that fetches removes by its own clock, not by pgBackRest's.
    """
    types = [str(one["type"]) for one in repositories]
    databases: list[dict[str, Any]] = []
    if "database" in does and types:
        declared = "local" in types
        databases.append(
            {"number": 1, "name": "local", "type": "local", "off_machine": False, "keeps": "all" if declared else "one"}
        )
    elif "keeps" in does:
        databases.append({"number": 1, "name": "host", "type": "host", "off_machine": True, "keeps": "nothing"})
    uploads = [
        {"name": name, "off_machine": name != "local"}
        for name in dict.fromkeys(types)
        if "uploads" in does or ("keeps" in does and name == "host")
    ]
    return {"databases": databases, "uploads": uploads}


def backup_targets(uploads: Iterable[Mapping[str, Any]], addresses: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return where files are copied to, with the names of the secrets that open it, by each one's address."""
    return [
        {
            **one,
            "address": addresses[one["name"]],
            "secrets": {"RESTIC_PASSWORD": "restic"}
            | (
                {"RESTIC_REST_USERNAME": "rest_user", "RESTIC_REST_PASSWORD": "rest_password"}
                if addresses[one["name"]].startswith("rest:")
                else {}
            ),
            "authority": "/etc/samestack/backup-ca.crt" if addresses[one["name"]].startswith("rest:") else "",
        }
        for one in uploads
    ]


def running_unit(name: str) -> dict[str, Any]:
    """Return a unit of `system_state` that runs, and begins at boot."""
    return {"name": name, "enabled": True, "started": True}


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "backup_program_files": backup_program_files,
            "backup_stores": backup_stores,
            "backup_targets": backup_targets,
            "running_unit": running_unit,
        }
