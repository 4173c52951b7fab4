"""Section `certificates`: those that this host shows and those that it trusts beside the distribution's."""

from __future__ import annotations

import glob
import os
import re
from typing import TYPE_CHECKING

from ...common.held_folder import PathError
from ..reading.machine import MissingError
from ..section import Collector

if TYPE_CHECKING:
    from ..reading.machine import Host, Section

#: Shown beside what services show
SHOWN = ("/etc/letsencrypt/live/*/fullchain.pem", "/etc/{app}/internal-ca.crt")
TRUSTED, BUNDLE = "/usr/local/share/ca-certificates", "/etc/ssl/certs/ca-certificates.crt"
LINKS = "/etc/ssl/certs"
PAIR = re.compile(r"server-[0-9a-f]{8}\.pem$")
FLAGS = (
    "-noout",
    "-subject",
    "-issuer",
    "-enddate",
    "-serial",
    "-fingerprint",
    "-sha256",
    "-nameopt",
    "RFC2253",
    "-text",
)


def facts(text: str) -> dict[str, str | list[str]]:
    """Return what `openssl x509` says of a certificate; when it ends as a day, not as days that are left."""
    first = {
        "subject": r"^subject=\s*(.*)$", "issuer": r"^issuer=\s*(.*)$", "ends": r"^notAfter=(.*)$",
        "fingerprint": r"^sha256 Fingerprint=(.*)$", "signed by": r"^\s+Signature Algorithm: (.*)$",
    }  # fmt: skip
    found: dict[str, str | list[str]] = {}
    for name, pattern in first.items():
        match = re.search(pattern, text, re.MULTILINE | re.IGNORECASE)
        found[name] = match[1].strip() if match else ""
    kind = re.search(r"Public Key Algorithm: (.*)$", text, re.MULTILINE)
    size = re.search(r"Public-Key: \((\d+) bit\)", text)
    curve = re.search(r"NIST CURVE: (.*)$|ASN1 OID: (.*)$", text, re.MULTILINE)
    words = [kind[1].strip() if kind else "", size[1] if size else "", (curve[1] or curve[2]) if curve else ""]
    found["key"] = " ".join(word for word in words if word)
    found["names"] = sorted(re.findall(r"(?:DNS|IP Address):([^,\s]+)", text))
    return found


def collect(host: Host) -> Section:
    """Return the section."""
    section: Section = {}
    app = host.config["app"]
    for pattern in [*SHOWN, *(path for service in host.services for path in service.certificates)]:
        for path in sorted(glob.glob(host.path(pattern.format(app=app)))):
            name = PAIR.sub("server-….pem", "/" + os.path.relpath(path, host.root))
            try:
                for key, value in read(host, path).items():
                    section[f"{name}:{key}"] = value
            except MissingError as missing:
                host.miss(f"certificates/{name}", str(missing))
    for path in sorted(glob.glob(host.path(TRUSTED + "/**/*.crt"), recursive=True)):
        try:
            known = read(host, path)
            section[f"trusted:{known['subject']}"] = f"{known['fingerprint']}, ends {known['ends']}"
        except MissingError as missing:
            host.miss(f"certificates/trusted:{os.path.basename(path)}", str(missing))
    section["trusted bundle"] = bundle(host)
    section["trusted otherwise"] = sorted(added_links(host))
    return section


def read(host: Host, path: str) -> dict[str, str | list[str]]:
    """Return what is to be known of a certificate, asked once for a file; raises MissingError."""
    try:
        digest = host.cache.digest(path)
    except (OSError, PathError) as error:
        raise MissingError(str(error)) from None
    found: dict[str, str | list[str]] = host.cache.finding(
        f"certificate {path}", digest, lambda: facts(host.run("openssl", "x509", "-in", path, *FLAGS))
    )
    return found


def bundle(host: Host) -> str:
    """Return how many authorities are trusted, and a digest of them."""
    text = host.text(BUNDLE)
    if not text:
        host.miss("certificates/trusted bundle", f"{BUNDLE} is not there")
        return ""
    return f"{text.count('BEGIN CERTIFICATE')} authorities, sha256:{host.cache.digest(host.path(BUNDLE))[:32]}"


def added_links(host: Host) -> list[str]:
    """Return what is trusted by a file or link that update-ca-certificates has not made."""
    found = []
    with os.scandir(host.path(LINKS)) as entries:
        for entry in entries:
            if not entry.is_symlink():
                found += [entry.name] if entry.name != os.path.basename(BUNDLE) else []
            elif not os.readlink(entry.path).startswith(("/usr/share/ca-certificates/", TRUSTED)):
                # Links by hash lead to others of this folder.
                found += [entry.name] if os.path.dirname(os.readlink(entry.path)) else []
    return found


SECTIONS = (Collector("certificates", lambda host, _live: collect(host)),)
