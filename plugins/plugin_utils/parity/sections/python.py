"""Section `python` in comparisons: the interpreter that the app runs on, and what was installed beside packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cases import Case

ORDER, SHORT = 40, "py"
RULES = """
python/app: changed | never                 | files are not what was unpacked
python/app:*        | release app_live_path | environments may serve different releases
python/*            | architecture          | another processor has builds of its own
"""
#: Wrong wherever it is not empty, also where all environments agree
WRONG = {"app: changed": "files of the app's Python are not what was unpacked"}


def remedy(case: Case) -> str:
    """What was installed beside the distribution's packages and the releases, and what was changed of a Python."""
    if case.is_extra and case.key.startswith("local:"):
        return case.by_hand(f"remove {case.key.removeprefix('local:')} from /usr/local/lib/python3*/dist-packages")
    if case.key == "app: changed":
        return f"{case.by_hand('rm /opt/samestack/python/*.contents')}; then {case.verb('deploy')}"
    return case.verb("deploy") if case.key.startswith("app:") else case.provision
