"""Section `firewall` in comparisons: the rules in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

ORDER, SHORT = 180, "fw"
RULES = """
firewall/* | app_catch_mail topology machine_address | who comes in, what leaves
"""


def remedy(case: Case) -> str:
    """The rules in force."""
    return case.by_hand("sudo systemctl reload nftables.service")
