"""Section `accounts`: who there is, who may log in and how, and who may become root."""

from __future__ import annotations

import base64
import glob
import hashlib
import os
import re
from typing import TYPE_CHECKING

from ..reading.machine import MissingError
from ..section import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..reading.machine import Host, Section

NO_SHELLS = ("/usr/sbin/nologin", "/sbin/nologin", "/bin/false", "/usr/bin/false", "/bin/sync")
#: The field of /etc/shadow that says when an account ends (days since 1970)
EXPIRES = 7
KEY = re.compile(r"(?:^|\s)((?:ssh-|ecdsa-|sk-)[\w@.-]+)\s+([A-Za-z0-9+/=]+)(?:\s+(.*))?$")


def table(text: str) -> list[list[str]]:
    """Return the rows of a file like /etc/passwd."""
    return [line.split(":") for line in text.splitlines() if line.strip() and not line.startswith(("#", "+", "-"))]


def password_of(field: str) -> str:
    """Return what a field of /etc/shadow says of the password."""
    if field in ("", None):
        return "no password needed"
    return "no password" if field[0] in "!*" else "a password"


def keys(text: str) -> Iterator[tuple[str, str]]:
    """Yield (fingerprint, kind, comment and options) of an authorized_keys file."""
    for line in text.splitlines():
        found = KEY.search(line) if line.strip() and not line.lstrip().startswith("#") else None
        if found:
            kind, data, comment = found.groups()
            digest = hashlib.sha256(base64.b64decode(data + "=" * (-len(data) % 4))).digest()
            options = line[: found.start(1)].strip()
            words = [kind, *([f"({options})"] if options else []), comment or ""]
            yield f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}", " ".join(words).strip()


def rules(text: str) -> list[str]:
    """Return the rules of a sudoers file; `#include` is a rule, other lines with a hash are comments."""
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    wanted = [line.strip() for line in lines if line.strip()]
    return [" ".join(line.split()) for line in wanted if not line.startswith("#") or line.startswith("#include")]


def collect(host: Host) -> Section:
    """Return the section."""
    users = table(host.read("/etc/passwd"))
    groups = table(host.read("/etc/group"))
    shadow = {row[0]: row for row in table(host.text("/etc/shadow"))}
    section: Section = {}
    primary = {row[3]: row[0] for row in users}
    for row in users:
        name, uid, home, shell = row[0], row[2], row[5], row[6]
        member = sorted(group[0] for group in groups if name in group[3].split(","))
        secret = shadow.get(name, ["", "*"])
        words = [f"home {home}", f"shell {shell}", password_of(secret[1])]
        words += ["the same as root"] if uid == "0" and name != "root" else []
        words += [f"expires {day}" for day in secret[EXPIRES : EXPIRES + 1] if day]
        words += [f"in {' '.join(member)}"] if member else []
        section[f"user:{name}"] = ", ".join(words)
        if len(secret) > 1 and password_of(secret[1]) == "a password":
            section[f"password:{name}"] = host.keyed(secret[1])
        if shell not in NO_SHELLS:
            for fingerprint, text in authorized(host, home):
                section[f"key:{name}:{fingerprint}"] = text
    for row in groups:
        members = sorted({*filter(None, row[3].split(",")), *([primary[row[2]]] if row[2] in primary else [])})
        if members != [row[0]]:
            section[f"group:{row[0]}"] = members
    for path in ["/etc/sudoers", *listed(host, "/etc/sudoers.d/*")]:
        if os.path.isfile(host.path(path)):
            section[f"sudo:{path}"] = rules(host.text(path))
    for path in listed(host, "/var/lib/systemd/linger/*"):
        section[f"linger:{os.path.basename(path)}"] = True
    return section | server(host)


def listed(host: Host, pattern: str) -> list[str]:
    """Return the host's paths that match."""
    return sorted("/" + os.path.relpath(path, host.root) for path in glob.glob(host.path(pattern)))


def authorized(host: Host, home: str) -> Iterator[tuple[str, str]]:
    """Yield the keys that may log in as the user with a home."""
    for name in ("authorized_keys", "authorized_keys2"):
        yield from keys(host.text(f"{home}/.ssh/{name}"))


def server(host: Host) -> Section:
    """Return the settings of the ssh server as it reads its files."""
    try:
        text = host.run("sshd", "-T")
    except MissingError as missing:
        host.miss("accounts/sshd", str(missing))
        return {}
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        found.setdefault(f"sshd:{name}", []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def administrators(section: Mapping[str, object]) -> list[str]:
    """Return who may become root by a group."""
    members = section.get("group:sudo")
    return list(members) if isinstance(members, list) else []


SECTIONS = (Collector("accounts", lambda host, _live: collect(host)),)
