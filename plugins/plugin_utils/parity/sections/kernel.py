"""Section `kernel` in comparisons: sysctls and limits."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

SYSCTL = re.compile(r"[a-z0-9_-]+(\.[\w/-]+)+")
ORDER, SHORT = 170, "knl"
RULES = """
kernel/size:*                  | changes               | worked out from memory and processors
kernel/limit:*-{web@,worker-}* | deployed topology     | there is a release to run
kernel/*                       | kernel virtualization | another kernel has other defaults
"""
REPLACED = ("*limit:*-{web@,worker-}*",)


def remedy(case: Case) -> str:
    """Settings of the kernel; limits are those of the services."""
    if SYSCTL.fullmatch(case.key) and not (case.is_extra or isinstance(case.wanted, tuple)):
        return case.by_hand(f"sudo sysctl -w {shlex.quote(f'{case.key}={case.wanted}')}")
    return case.provision
