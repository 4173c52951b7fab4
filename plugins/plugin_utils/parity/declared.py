"""What an inventory says of one host, as far as a comparison of manifests needs it; no secret is in it. Pure.

`variables` are the decisions that may differ and reach a host, with its topology; `tokens` the words of the inventory
that stand inside of what a host has; `intended` what certain keys of the manifest should be, computed from the
inventory and by the roles' own templates, never copied from a host.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from ...module_utils.manifest.reading.key import MARK, keyed
from .section import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Sections = Mapping[str, Mapping[str, Any]]
    Entries = Mapping[str, Mapping[str, Any]]

#: Declared differences that stay on the control node
NOWHERE = ("notices_",)
FUNCTIONS = ("web", "worker", "db", "cache", "lb", "build", "backup", "monitor")
#: The decision behind what role django puts into the application's environment
SOURCES = {
    "DEBUG": "app_debug", "ALLOWED_HOSTS": "app_domains", "CSRF_TRUSTED_ORIGINS": "app_domains",
    "SAMESTACK_MAIL_FOLDER": "app_catch_mail", "SECRET_KEY": "vault_app_secret_key",
    "SECRET_KEY_FALLBACKS": "vault_app_secret_key",
    **{name: decision for section in SECTIONS.values() for name, decision in section.environment.items()},
}  # fmt: skip
#: The variables that files of ours follow from, of those in which environments may differ
FILES = (
    *(pair for section in SECTIONS.values() for pair in section.files.items()),
    ("/etc/*/gunicorn.conf.py", "app_live_path app_debug web_processes processors"),
    ("/etc/samestack/*.key", "vault_app_secret_key"),
    ("/etc/samestack/*", "topology"),
    ("/etc/nftables.conf", "app_catch_mail topology machine_address"),
    ("/etc/ssh/sshd_config.d/*", "security_ssh_port login"),
    ("/etc/fail2ban/jail.d/*", "security_ssh_port topology"),
    ("/etc/fail2ban/filter.d/*", "topology"),
    ("/etc/sudoers.d/*", "security_people"),
    ("/usr/local/share/ca-certificates/*", "machine_trusted_ca_files"),
    ("/etc/systemd/journald.conf.d/*", "machine_journal_limit"),
    ("/etc/systemd/system/*", "app_live_path topology"),
    ("/usr/local/lib/samestack/*", "app_live_path topology"),
)
#: How the section `files` of a manifest says what a file holds
OWN, DIGITS = "this machine's own ", 32
#: What stands in a manifest in place of a value that is one of the secrets
HIDDEN = "(secret)"
#: What the record says besides of a file that a package has brought, too
CHANGED = ", not as its package brought it"


def variables(allowed: Iterable[str], values: Mapping[str, Any], secrets: Iterable[str]) -> dict[str, Any]:
    """Return the decisions that may differ and reach a host; one with a secret in it is only said to be there."""
    hidden = [secret for secret in secrets if secret]
    found: dict[str, Any] = {}
    for name in sorted(allowed):
        if not name.startswith(NOWHERE) and name in values:
            text = json.dumps(values[name], sort_keys=True, default=str)
            found[name] = HIDDEN if any(secret in text for secret in hidden) else json.loads(text)
    return found


def tokens(values: Mapping[str, Any], hosts: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the inventory's words: domains, and the names and addresses of the environment's machines.

    Args:
        values: the host's variables.
        hosts: `machine_address` of each host of the environment, by name.
    """
    found: dict[str, str] = {}
    for address in hosts.values():
        found[str(address.get("machine_address", ""))] = "machine_address"
    for name in hosts:
        found[name] = "host name"
    for domain in [values.get("app_static_domain") or ""]:
        found[domain] = "app_static_domain"
    for domain in values.get("app_domains") or []:
        found[str(domain)] = "app_domains"
    return [{"text": text, "variable": variable} for text, variable in sorted(found.items()) if text]


def topology(hosts: Iterable[str], groups: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Return the functions of each host of an environment, by name."""
    members = {function: set(groups.get(function) or ()) for function in FUNCTIONS}
    return {host: sorted(name for name, found in members.items() if host in found) for host in sorted(hosts)}


def intended_environment(values: Mapping[str, Any], sections: Sections, key: str) -> dict[str, dict[str, Any]]:
    """Return what the application's environment should be, key by key, digested where the host digests it.

    Args:
        values: the host's variables, `django_env` and `django_secret_env` among them.
        sections: what the host was found to have.
        key: the environment's key of digests, in hex.
    """
    found, secret = sections.get("environment") or {}, values.get("django_secret_env") or {}
    wanted = {name: str(value) for name, value in {**(values.get("django_env") or {}), **secret}.items()}
    if not found:
        return {}
    return {
        f"environment/{name}": {
            "value": keyed(key, text) if name in secret or str(found.get(name, "")).startswith(MARK) else text,
            "variable": SOURCES.get(name, "app_secret_env" if name in secret else "app_env"),
        }
        for name, text in wanted.items()
    }


def intended_files(
    entries: Entries, sections: Sections, key: str, names: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Return what the files that the roles put on a host should be, in the form in which its manifest has them.

    Args:
        entries: files by path, as `system_state` has them.
        sections: what the host was found to have.
        key: the environment's key of digests, in hex.
        names: what only this environment is called, and the word for it (`parity_names`).
    """
    words = {**names, str((sections.get("system") or {}).get("host name") or ""): "host name"}
    found, units, wanted = sections.get("files") or {}, sections.get("units") or {}, {}
    for path, entry in entries.items():
        value = described(entry, str(found[path]), key, words) if path in found else ""
        if value:
            wanted[f"files/{path}"] = {"value": value, "variable": source_of(path)}
        if f"file:{path}" in units and entry["state"] == "file":
            wanted[f"units/file:{path}"] = {
                "value": digest_of(base64.b64decode(entry["data"])),
                "variable": source_of(path),
            }
    return wanted


def source_of(path: str) -> str:
    """Return the variables that a file follows from, as far as environments may set them."""
    return next((variables for pattern, variables in FILES if fnmatch(path, pattern)), "the inventory")


def digest_of(content: bytes) -> str:
    """Return what a manifest has of a content that everybody may read."""
    return f"sha256:{hashlib.sha256(content).hexdigest()[:DIGITS]}"


def described(entry: Mapping[str, Any], found: str, key: str, words: Mapping[str, str]) -> str:
    """Return what a manifest would say of a file as the roles put it; "" where nobody can tell."""
    if entry["state"] == "link":
        return f"link to {entry['target']}"
    # Once a file of the one kind is there, it stays, whatever it holds; of the other, lines are told apart.
    if entry["state"] != "file" or entry["initial"] or (entry["secret"] and found.startswith("sha256:")):
        return ""
    content = base64.b64decode(entry["data"])
    more = CHANGED if found.endswith(CHANGED) else ""
    digest = hashlib.sha256(content).hexdigest()
    rights = f"{entry['owner']}:{entry['group']} {entry['mode'] or '0644'}"
    if found.startswith(OWN):
        return f"{OWN}{keyed(key, digest)} {rights}{more}"
    if found.startswith(MARK):
        return f"{keyed(key, digest)} {rights}{more}"
    return f"{digest_of(named(content, words))} {rights}{more}"


def named(content: bytes, words: Mapping[str, str]) -> bytes:
    """Return a content with words for what only this environment is called, as the recorder does it."""
    known = {name.encode(): f"<{word}>".encode() for name, word in words.items() if name}
    names = b"|".join(re.escape(name) for name in sorted(known, key=len, reverse=True))
    return (
        re.sub(rb"(?<![\w-])(?:" + names + rb")(?![\w-])", lambda match: known[match[0]], content) if names else content
    )
