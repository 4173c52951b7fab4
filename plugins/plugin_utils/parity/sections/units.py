"""Section `units` in comparisons: systemd's units."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

ORDER, SHORT = 160, "unt"
RULES = """
units/not read yet:*           | never                           | what systemd has not read yet
units/*-{web@,worker-,timer-}* | deployed topology app_live_path | there is a release to run
units/*certbot*                | web_tls                         | renews what comes from ACME
units/*samestack-mail*         | app_live_path                   | caught mail is read by who develops
files//etc/systemd/system/samestack-mail* | app_live_path      | caught mail is read by who develops
"""
REPLACED = ("*-{web@,worker-}*",)


def remedy(case: Case) -> str:
    """Units of ours come back by a provision; those of others are stopped, their files removed."""
    kind, _, name = case.key.partition(":")
    if kind == "not read yet":
        return case.by_hand("sudo systemctl daemon-reload")
    if case.is_extra and kind == "file" and not case.ours:
        return case.by_hand(f"sudo rm {shlex.quote(name)} && sudo systemctl daemon-reload")
    if case.is_extra and kind in ("active", "state"):
        return case.by_hand(f"sudo systemctl disable --now {shlex.quote(name)}")
    return case.provision
