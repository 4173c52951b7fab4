"""Section `release` in comparisons: which code is live."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

ORDER, SHORT = 50, "rel"
RULES = """
release/changed | never                 | files are not what was built
release/*       | release app_live_path | environments may serve different releases
"""
#: Wrong wherever it is not empty, also where all environments agree
WRONG = {"changed": "files of the release are not what was built"}


def remedy(case: Case) -> str:
    """What was changed of a release by hand comes back from its archive."""
    return case.verb("repair") if case.key == "changed" else case.verb("deploy")
