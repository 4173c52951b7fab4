"""Manifests of machines that nobody built, for the tests and the measurements of the comparison."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import TYPE_CHECKING, Any

from plugins.plugin_utils.parity.envelope import SCHEMA, Envelope

if TYPE_CHECKING:
    from collections.abc import Mapping

ALL = ("cache", "db", "web", "worker")
Sections = dict[str, dict[str, Any]]


def sections(environment: str, size: int = 20) -> Sections:
    """Return what a host of an environment has; `size` packages, files and columns."""
    domain = f"{environment}.site.test"
    return {
        "system": {"host name": f"{environment}1", "os": "debian 13", "machine id": environment * 4},
        "packages": {f"package{number}": f"1.{number}-1 [Debian trixie main]" for number in range(size)},
        "release": {"id": "0a1b2c3d4e5f", "changed": []},
        "venv": {f"distribution{number}": f"1.{number} sha256:{number:064}" for number in range(size // 10)},
        "environment": {"DEBUG": "false", "ALLOWED_HOSTS": domain, "SECRET_KEY": f"hmac:{environment}"},
        "postgresql": {"version": "17.6", "setting:work_mem": "8MB"},
        "schema": {f"table.column{number}": "text" for number in range(size)},
        "nginx": {f"server {domain}/listen": "443 ssl", "http/server_tokens": "off"},
        "sockets": {"tcp:0.0.0.0:443": "nginx", "tcp:0.0.0.0:22": "sshd"},
        "files": {f"/etc/file{number}": f"sha256:{number:064} 0644 root root" for number in range(size)},
    }


def manifest(found: Sections, missing: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the manifest of what was found."""
    return {"schema": SCHEMA, "sections": found, "missing": dict(missing or {})}


def digest(found: Mapping[str, Any]) -> str:
    """Return a manifest's digest."""
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


def declared(environment: str, **other: Any) -> dict[str, Any]:
    """Return what the inventory of an environment declares."""
    return {
        "variables": {"app_domains": [f"{environment}.site.test"]},
        "tokens": [{"text": f"{environment}.site.test", "variable": "app_domains"}],
        "intended": {"environment/SECRET_KEY": {"value": f"hmac:{environment}", "variable": "vault_app_secret_key"}},
        "topology": {},
    } | other


def envelope(
    environment: str,
    now: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    before: Mapping[str, Mapping[str, Any]] | None = None,
    **other: Any,
) -> Envelope:
    """Return a host's envelope. `now` changes what it has, `before` what a run of ours left; None takes a key away."""
    size = other.pop("size", 20)
    left = changed(sections(environment, size), before or {})
    found = manifest(changed(left, now or {}), other.pop("missing", None))
    values: dict[str, Any] = {
        "environment": environment, "host": f"{environment}1", "functions": ALL, "time": "2026-11-25T14:03:00Z",
        "digest": digest(found), "manifest": found, "declared": declared(environment),
        "baseline": {"time": "2026-11-25T12:00:00Z", "cause": "provision", "manifest": manifest(left)},
    }  # fmt: skip
    return Envelope(**(values | other))


def changed(found: Sections, changes: Mapping[str, Mapping[str, Any]]) -> Sections:
    """Return sections with some keys changed, added, or (None) taken away."""
    result = copy.deepcopy(found)
    for section, values in changes.items():
        for key, value in values.items():
            if value is None:
                result.get(section, {}).pop(key, None)
            else:
                result.setdefault(section, {})[key] = value
    return result
