"""What is wrong with where backups go: production without a place off its machine, a place that nobody is."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from typing import TYPE_CHECKING, Any

from cryptography import x509

from ..errors import Problem
from . import environment as in_hand
from .formats import parse_duration
from .laws import show

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from .laws import Place

PRODUCTION = "production"
NAME, REASON = "backup_repositories", "backup_none_because"
LIMIT, MOST_LIMIT = "backup_disk_limit", 99
KEEP, LEAST_KEEP = "backup_keep", 86400
HOST, LOCAL, S3, SFTP = "host", "local", "s3", "sftp"
#: What each type has beside its name
FIELDS = {
    HOST: (), LOCAL: (),
    S3: ("endpoint", "bucket", "region", "access_key", "secret_key", "path_style", "authority"),
    SFTP: ("host", "port", "user", "path", "private_key", "known_hosts"),
}  # fmt: skip
SECRET = ("secret_key", "private_key")
HOST_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) AAAA\S+")
#: How each is written: a pattern, what a value is not that does not fit, and what to write
PATTERNS = {
    "endpoint": (
        r"(?!-)[a-z0-9.-]+(?::[0-9]{1,5})?", "the name of a service",
        "Write the bare name in lower case, such as s3.eu-central-1.amazonaws.com, without https:// and bucket",
    ),
    # What AWS allows for new ones; others allow less.
    "bucket": (
        r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "the name of a bucket",
        "Write 3 to 63 lowercase letters, digits, dots and hyphens, such as my-backups",
    ),
    "region": (r"[A-Za-z0-9-]{1,40}", "a region", "Write it as the service calls it, such as eu-central-1"),
    "user": (r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}", "an account", "Write it as the provider gave it, such as u1234"),
    "path": (
        r"/(?:[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*)?", "an absolute path of plain names",
        "Write one such as /backups, of letters, digits, dots, - and _",
    ),
}  # fmt: skip


def backup_problems(
    values: Mapping[str, Any], place: Place, environment: str, keepers: Collection[str], written: object = None
) -> Iterator[Problem]:
    """Yield what is wrong with where an environment's backups go.

    Args:
        values: the decisions as a host sees them.
        place: tells where something was written.
        environment: its name.
        keepers: its machines in group `backup`.
        written: the repositories as people wrote them, templates and all: later in a run the secrets are known.
    """
    repositories = values.get(NAME)
    if not isinstance(repositories, list) or not all(isinstance(one, dict) for one in repositories):
        return
    types = [one.get("type") for one in repositories]
    if HOST in types and not keepers:
        what = f"no machine of {environment} is in group backup"
        fix = "Name one in the inventory under `backup: hosts:`, and under its environment"
        yield Problem(NAME, place(NAME, (types.index(HOST),)), what, fix, "type: host")
    if HOST in types and len(keepers) > 1:
        what = f"{environment} has one machine for its backups, not several"
        yield Problem("group backup", place(NAME, ()), what, "Leave one of them", ", ".join(sorted(keepers)))
    for index, kind in enumerate(types):
        if kind in types[:index]:
            yield Problem(f"{NAME}[{index}]", place(NAME, (index,)), f"{kind} is there twice", "Leave one of the two")
        yield from field_problems(repositories[index], index, place)
        own = written[index] if isinstance(written, list) and index < len(written) else None
        yield from secret_problems(own, index, place)
    yield from number_problems(values, place)
    # A reason is for having none: a copy on the same disk only looks like one.
    if environment == PRODUCTION and all(kind == LOCAL for kind in types) and (types or not values.get(REASON)):
        what = "production has no backup off its machine"
        fix = (
            f"Write `{NAME}: [{{type: host}}]` and a machine in group backup, or a type s3 or sftp "
            f"(docs/backup-repositories.md); or `{NAME}: []` and "
            f"`{REASON}: …`, which says why there is none"
        )
        yield Problem(NAME, place(NAME, ()), what, fix, "[]" if not types else "local alone")


def leaves_idle(repositories: object) -> bool:
    """Return whether no machine is asked to keep anything; what is not resolved may ask one."""
    if not isinstance(repositories, list):
        return False
    return HOST not in [one.get("type") if isinstance(one, dict) else HOST for one in repositories]


def idle_keepers(groups: Mapping[str, Sequence[str]], repositories: object) -> list[str]:
    """Return the hosts that would keep backups and do nothing else, where nobody is asked to keep any."""
    working = in_hand.working(groups)
    return [host for host in groups.get("backup", []) if host not in working] if leaves_idle(repositories) else []


def number_problems(values: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Yield what is wrong with for how long backups are kept, and how full their disk may be."""
    limit, keep = values.get(LIMIT), values.get(KEEP)
    if isinstance(limit, int) and not 0 <= limit <= MOST_LIMIT:
        fix = "Write a number of percent from 1 to 99, or 0, which lets the disk fill"
        yield Problem(
            LIMIT, place(LIMIT, ()), "this is no part of a disk that leaves some room", fix, show(LIMIT, limit)
        )
    with contextlib.suppress(ValueError):
        if parse_duration(keep) < LEAST_KEEP:
            fix = "Write 1d or more, such as 30d: backups are removed once a night"
            yield Problem(KEEP, place(KEEP, ()), "this is less than a day", fix, show(KEEP, keep))


def field_problems(one: Mapping[str, Any], index: int, place: Place) -> Iterator[Problem]:
    """Yield what is wrong with what a repository has beside its type; what has to be there is the spec's."""
    kind = str(one.get("type"))
    for name, value in one.items():
        variable, where = f"{NAME}[{index}].{name}", place(NAME, (index, name))
        if name == "type" or kind not in FIELDS:
            continue
        if name not in FIELDS[kind]:
            owner = next((other for other, fields in FIELDS.items() if name in fields), "")
            if owner:
                fix = f"Take the line out, or write `type: {owner}`"
                yield Problem(variable, where, f"type {kind} has no {name}", fix, show(variable, value))
        elif (text := text_of(value)) and "{{" not in text and (wrong := wrong_field(name, text)):
            what, fix = wrong
            yield Problem(variable, where, what, fix, show(variable, value))


def secret_problems(one: object, index: int, place: Place) -> Iterator[Problem]:
    """Yield the secrets of a repository that somebody has written into a file that everybody reads."""
    for name in SECRET:
        text = one.get(name) if isinstance(one, dict) else None
        if isinstance(text, str) and text and "{{" not in text:
            what = "this is written in the open, and belongs into the vault"
            reference = f'`{name}: "{{{{ vault_… }}}}"`'
            fix = f"Write it there (`./samestack secrets <environment> --edit`), and here {reference}"
            yield Problem(f"{NAME}[{index}].{name}", place(NAME, (index, name)), what, fix, "(hidden)")


def text_of(value: object) -> str:
    """Return a text, or the lines of a list, as one; nothing for what the spec says something of."""
    return "\n".join(map(str, value)) if isinstance(value, list) else value if isinstance(value, str) else ""


def wrong_field(name: str, value: str) -> tuple[str, str] | None:
    """Return what is wrong with a field, and what to write instead; None where nothing is."""
    if name in PATTERNS:
        pattern, what, fix = PATTERNS[name]
        return None if re.fullmatch(pattern, value) else (f"this is not {what}", fix)
    if name == "authority":
        try:
            found = x509.load_pem_x509_certificates(value.encode())
        except ValueError:
            found = []
        return (
            None if found else ("this is no certificate", "Write the authority's, as PEM (-----BEGIN CERTIFICATE-----)")
        )
    if name == "known_hosts":
        lines = [line for line in value.splitlines() if line.strip() and not line.startswith("#")]
        bad = [line for line in lines if not is_host_key(line)]
        if bad or not lines:
            return (
                "this is no key of a server",
                "Write what `ssh-keyscan -p <port> <host>` prints, once you have compared it",
            )
    return None


def is_host_key(line: str) -> bool:
    """Return whether a line has a server's public key, with or without the server's name before it."""
    match = HOST_KEY.search(line)
    if not match:
        return False
    kind, _, text = match[0].partition(" ")
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return data[4 : 4 + len(kind)] == kind.encode()
