"""What is secret on this host, so that nothing that is told or kept has it in it."""

from __future__ import annotations

import os

from ..common import secrets
from ..common.paths import CONFIG

#: Letters of the shortest secret among ours; what is shorter there are names, which a notice is nothing without
SECRET = 16


def learn(app: str) -> None:
    """Take it: what the application is told, and of ours what root alone may read."""
    for name in ("env", "owner.env"):
        secrets.learn_environment(f"/etc/{app}/{name}")
    with os.scandir(CONFIG) as entries:
        private = [entry.path for entry in entries if entry.is_file() and not entry.stat().st_mode & 0o077]
    for path in private:
        with open(path, encoding="utf-8", errors="replace") as file:
            for value in file.read().replace('"', "\n").splitlines():
                if len(value.strip()) >= SECRET:
                    secrets.KNOWN.learn(value.strip())
