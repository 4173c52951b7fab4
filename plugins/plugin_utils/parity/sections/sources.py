"""Section `sources` in comparisons: where packages come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

ORDER, SHORT = 30, "apt"


def remedy(case: Case) -> str:
    """Where packages come from."""
    if case.ours:
        return case.provision
    what = "take it out of" if case.is_extra else "put it back into"
    return case.by_hand(f"{what} /etc/apt ({case.key}), then: sudo apt-get update")
