"""What the laws read rendered files with."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable

from tests.support.expected import Expected

#: Returns the hosts of a variant for a release.
Render = Callable[[str, str], list[Expected]]
#: Copied as it stands
RECORDER = "/usr/local/lib/samestack/recorder/"
WATCH = "/usr/local/lib/samestack/watching/"
SECRETS = (
    "vault_app_secret_key", "vault_database_password", "vault_database_owner_password", "vault_redis_password",
    "vault_ca_key", "vault_backup_s3_secret", "vault_backup_sftp_key",
)  # fmt: skip


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def environment(text: str) -> dict[str, str]:
    """Read an environment file by the rules of systemd.exec(5) for double quotes."""
    found = re.findall(r'^(\w+)="((?:\\.|[^"\\])*)"$', text, re.MULTILINE | re.DOTALL)
    return {name: re.sub(r'\\(["\\`$])', r"\1", quoted) for name, quoted in found}


def unit_values(text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


@functools.cache
def python(text: str) -> ast.Module:
    """Read a file as Python 3.10; raises SyntaxError. Every host gets most of them alike."""
    return ast.parse(text, feature_version=(3, 10))
