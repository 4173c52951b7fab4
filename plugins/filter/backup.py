"""Filters of role backup: what the decision about repositories means on a host."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleFilterError

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


#: A key of ssh that opens without a passphrase, as ssh-keygen and OpenSSL write it
PRIVATE_KEY = re.compile(
    r"-----BEGIN (?P<kind>(?:OPENSSH |RSA |EC |)PRIVATE KEY)-----\n"
    r"(?!Proc-Type)[A-Za-z0-9+/=\n]+-----END (?P=kind)-----"
)
HOST_KEY = re.compile(r"(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)) AAAA[A-Za-z0-9+/]+={0,2}")
SSH_PORT = 22
#: Numbers of the repositories that the database host itself sends to; 1 is the one on a disk of ours
S3, SFTP = "s3", "sftp"
NUMBERS = {S3: 2, SFTP: 3}
#: What pgBackRest and restic have to know of each, and may be read on a host
FIELDS = {
    S3: ("endpoint", "bucket", "region", "path_style", "authority"),
    SFTP: ("host", "port", "user", "known_hosts"),
}
#: The secrets of each, by the names that they have on a host
KEYS = {S3: {"access_key": "s3_access_key", "secret_key": "s3_secret_key"}, SFTP: {"private_key": "sftp_private_key"}}
S3_AUTHORITY, SFTP_CONFIG = "/etc/samestack/backup-s3-ca.crt", "/etc/samestack/backup-sftp.conf"
#: pgBackRest checks the key of an sftp server strictly from this version on; releases that have an older one
SFTP_SINCE = (2, 48)
WITHOUT_SFTP = {("debian", "12"): "2.45", ("ubuntu", "22.04"): "2.37"}


def backup_stores(
    repositories: Iterable[Mapping[str, Any]], does: Collection[str], folder: str = ""
) -> dict[str, list[dict[str, Any]]]:
    """Return where a host's pgBackRest puts the database (`databases`), and where its files are copied to (`uploads`).

    Args:
        repositories: the decision `backup_repositories`.
        does: what the host has (database, uploads, keeps).
        folder: where in a bucket or on an sftp server this environment's begin.

    What another host fetches lies in a repository here until it has it; it `keeps` two full backups, so that one that
    is made while that host is away takes nothing with it. Where there is a local repository as well, that is the one.
    The host that fetches removes by its own clock, not by pgBackRest's. Whoever has the repository `tries` it.
    """
    declared = {str(one["type"]): one for one in repositories}
    databases: list[dict[str, Any]] = []
    if "database" in does:
        if {"host", "local"} & set(declared):
            keeps = "all" if "local" in declared else "two"
            here = {"number": 1, "name": "local", "type": "local", "off_machine": False, "keeps": keeps}
            databases.append({**here, "tries": "host" not in declared})
        for kind, number in NUMBERS.items():
            if kind in declared:
                one = elsewhere(declared[kind], folder)
                databases.append({"number": number, **one, "keeps": "all", "tries": True})
    elif "keeps" in does:
        kept = {"number": 1, "name": "host", "type": "host", "off_machine": True, "keeps": "nothing", "tries": True}
        databases.append(kept)
    uploads = [
        elsewhere(one, folder) if name in NUMBERS else {"name": name, "off_machine": name != "local"}
        for name, one in declared.items()
        if "uploads" in does or ("keeps" in does and name == "host")
    ]
    return {"databases": databases, "uploads": uploads}


def elsewhere(one: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Return what a host has to know of a bucket or an sftp server, without its keys."""
    kind = str(one["type"])
    top = str(one.get("path") or "").rstrip("/")
    known = {name: one[name] for name in FIELDS[kind] if one.get(name)}
    return {"name": kind, "type": kind, "off_machine": True, **known, "path": f"{top}/{folder}"}


def backup_targets(uploads: Iterable[Mapping[str, Any]], addresses: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return where files are copied to, with the names of the secrets that open it.

    Args:
        uploads: what `backup_stores` says of them.
        addresses: of those that are on machines of ours, by name.
    """
    return [target(one, addresses) for one in uploads]


def target(one: Mapping[str, Any], addresses: Mapping[str, str]) -> dict[str, Any]:
    """Return one place that files are copied to, in restic's words."""
    found = {"name": one["name"], "off_machine": one["off_machine"], "authority": "", "options": []}
    secrets = {"RESTIC_PASSWORD": "restic"}
    if one["name"] == S3:
        found["address"] = f"s3:https://{one['endpoint']}/{one['bucket']}{one['path']}/uploads"
        found["options"] = [
            f"s3.bucket-lookup={'path' if one.get('path_style') else 'dns'}", f"s3.region={one['region']}",
        ]  # fmt: skip
        found["authority"] = S3_AUTHORITY if one.get("authority") else ""
        secrets |= {"AWS_ACCESS_KEY_ID": "s3_access_key", "AWS_SECRET_ACCESS_KEY": "s3_secret_key"}
    elif one["name"] == SFTP:
        found["address"] = f"sftp:{SFTP}:{one['path']}/uploads"
        found["options"] = [f"sftp.command=ssh -F {SFTP_CONFIG} {SFTP} -s sftp"]
    else:
        found["address"] = addresses[one["name"]]
        if found["address"].startswith("rest:"):
            secrets |= {"RESTIC_REST_USERNAME": "rest_user", "RESTIC_REST_PASSWORD": "rest_password"}
            found["authority"] = "/etc/samestack/backup-ca.crt"
    return {**found, "secrets": secrets}


def backup_store_keys(repositories: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return the keys that open buckets and sftp servers, by the names that they have on a host.

    Raises AnsibleFilterError, which shows none, for what is no key.
    """
    found = {}
    for one in repositories:
        for name, secret in KEYS.get(str(one["type"]), {}).items():
            text = str(one[name]).strip()
            if name == "private_key" and not PRIVATE_KEY.fullmatch(text):
                raise AnsibleFilterError(
                    "backup_repositories, type sftp: private_key is no private key without a passphrase. Write the "
                    "whole file that `ssh-keygen -t ed25519 -N ''` has made into the vault."
                )
            if name != "private_key" and (not text or not text.isprintable() or " " in text):
                raise AnsibleFilterError(
                    f"backup_repositories, type s3: {name} is no key of a bucket. Write what the service has issued "
                    "into the vault."
                )
            found[secret] = text
    return found


def push_files(databases: Iterable[Mapping[str, Any]], account: str, sends: bool) -> list[dict[str, Any]]:
    """Return `system_state` entries: pgBackRest's configuration of each repository that WAL is sent to, alone."""
    stores = {int(one["number"]): dict(one) for one in databases if sends}
    return [
        {
            "path": f"/etc/pgbackrest/push-{number}.conf", "template": "push.conf.j2", "group": account, "mode": "0640",
            "secret": True, "vars": {"store": stores.get(number, {})}, "when": number in stores,
        }
        for number in (1, *NUMBERS.values())
    ]  # fmt: skip


def without(one: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """Return what is left of it without some of its keys."""
    return {name: value for name, value in one.items() if name not in names}


def known_host(one: Mapping[str, Any]) -> str:
    """Return the lines by which ssh knows an sftp server: what `ssh-keyscan` printed, under the name that is asked."""
    port = int(one.get("port") or SSH_PORT)
    name = one["host"] if port == SSH_PORT else f"[{one['host']}]:{port}"
    keys = [match[0] for line in one["known_hosts"] if (match := HOST_KEY.search(line))]
    return "".join(f"{name} {key}\n" for key in keys)


def backup_hindrance(
    repositories: Iterable[Mapping[str, Any]], does: Collection[str], machine: Mapping[str, Any]
) -> str:
    """Return why a machine cannot back up to where it shall, and what to do; "" where it can."""
    if "database" not in does or SFTP not in [one.get("type") for one in repositories]:
        return ""
    system = (str(machine.get("os")), str(machine.get("release")))
    version = str((machine.get("packages") or {}).get("pgbackrest") or WITHOUT_SFTP.get(system, ""))
    if not version or tuple(map(int, re.findall(r"\d+", version)[:2])) >= SFTP_SINCE:
        return ""
    return (
        f"backup_repositories: type: sftp is not possible on {system[0].capitalize()} {system[1]}, whose pgBackRest "
        f"({version}) does not check the server's key strictly; 2.48 does. Write type: s3 or type: host instead, or "
        "give the database a machine with Debian 13 or Ubuntu 24.04 (docs/backup-repositories.md)."
    )


def running_units(units: Mapping[str, bool]) -> list[dict[str, Any]]:
    """Return units of `system_state`, each with whether it runs, and begins at boot."""
    return [{"name": name, "enabled": runs, "started": runs} for name, runs in units.items()]


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "backup_program_files": backup_program_files,
            "backup_hindrance": backup_hindrance,
            "backup_store_keys": backup_store_keys,
            "backup_stores": backup_stores,
            "backup_targets": backup_targets,
            "known_host": known_host,
            "push_files": push_files,
            "running_units": running_units,
            "without": without,
        }
