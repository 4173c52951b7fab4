"""Section `timers` in comparisons: what runs by the clock."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

ORDER, SHORT = 200, "tim"
RULES = """
timers/*-timer-* | deployed topology | the same
timers/*certbot* | web_tls           | renews what comes from ACME
"""


def remedy(case: Case) -> str:
    """What runs by the clock."""
    name = case.key.split(":")[-1]
    if case.is_extra and name.startswith("/"):
        return case.by_hand(f"sudo rm {shlex.quote(name)}")
    if case.is_extra and name.endswith(".timer"):
        return case.by_hand(f"sudo systemctl disable --now {shlex.quote(name)}")
    return case.provision
