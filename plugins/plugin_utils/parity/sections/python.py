"""Section `python` in comparisons: the interpreter and what was installed beside packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

ORDER, SHORT = 40, "py"
RULES = """
python/* | architecture | another processor has builds of its own
"""


def remedy(case: Case) -> str:
    """What was installed beside the distribution's packages and the releases."""
    if case.is_extra and case.key.startswith("local:"):
        return case.by_hand(f"remove {case.key.removeprefix('local:')} from /usr/local/lib/python3*/dist-packages")
    return case.provision
