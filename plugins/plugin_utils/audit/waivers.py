"""Findings of checkers that are accepted: the table `## Waivers` of docs/security.md is the only list of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ROW = re.compile(r"^\| (?P<checker>[a-z-]+) \| (?P<findings>`[^|]+) \| (?P<reason>[^|]+) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Waiver:
    """One accepted kind of finding."""

    #: Whose finding it is: `cis`, `gixy`, `ssh-audit`, `exposure`
    checker: str
    #: As the checker names them
    findings: tuple[str, ...]
    reason: str


def waivers(page: Path) -> list[Waiver]:
    """Return the waivers that a page lists; raises OSError where there is no such page."""
    text = page.read_text(encoding="utf-8").partition("\n## Waivers\n")[2]
    return [
        Waiver(row["checker"], tuple(re.findall(r"`([^`]+)`", row["findings"])), row["reason"].strip())
        for row in ROW.finditer(text)
    ]


def waived(found: list[Waiver], checker: str) -> list[str]:
    """Return the findings of one checker that are accepted."""
    return [name for waiver in found if waiver.checker == checker for name in waiver.findings]
