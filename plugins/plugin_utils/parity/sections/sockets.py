"""Section `sockets` in comparisons: what listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

ORDER, SHORT = 190, "prt"
RULES = """
sockets/unix /run/*/live.sock | deployed topology | the same
sockets/unix /run/*/mail.sock | app_live_path     | caught mail is read by who develops
"""


def remedy(case: Case) -> str:
    """A program listens that should not, or does not and should."""
    if case.is_extra:
        return case.by_hand(f"stop {case.value_text} (sudo ss -ltnup shows it), and what starts it")
    return case.provision
