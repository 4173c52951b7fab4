"""Numbered migrations of a project's inventories, from one Samestack to the next and back.

One file a migration, `m<number>_<name>.py`: `SINCE`, the version that it belongs to; `WHAT`, for people; `STEPS`; and,
where nothing leads back, `ONE_WAY`, why not. A project is at the version that it pins: nothing else says so, and
nothing else could disagree. Going forward, a migration finds what is still as it was before, and does nothing to the
rest.
"""

from __future__ import annotations

# Its file is all that a migration needs, and one with a name of its own could not be sorted.
import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...version import Version, parsed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .project import Project
    from .steps import Step

FILE = re.compile(r"m(\d{4})_\w+")


@dataclass(frozen=True)
class Migration:
    """One of them."""

    number: int
    since: Version
    what: str
    steps: tuple[Step, ...]
    #: Why nothing leads back; "" where something does
    one_way: str = ""

    @property
    def gone(self) -> dict[str, tuple[str, ...]]:
        """The variables that are none any more, each with what stands for it."""
        return {name: step.instead for step in self.steps for name in step.gone}

    def is_final_for(self, project: Project) -> bool:
        """Return whether nothing leads a project back that uses what it brought."""
        names = {name for step in self.steps for name in step.brings}
        return bool(self.one_way) and any(scope.entries.keys() & names for scope in project.scopes())

    def forward(self, project: Project) -> None:
        """Bring a project's files to what this version reads."""
        for step in self.steps:
            step.forward(project)

    def back(self, project: Project) -> None:
        """Bring them to what the version before read."""
        for step in reversed(self.steps):
            step.back(project)


def all_migrations() -> list[Migration]:
    """Return every migration, the first one first."""
    found = []
    for file in sorted(Path(__file__).parent.glob("m*.py")):
        if name := FILE.fullmatch(file.stem):
            # In this folder
            module = importlib.import_module(f"{__name__}.{file.stem}")
            one_way = getattr(module, "ONE_WAY", "")
            found.append(Migration(int(name[1]), parsed(module.SINCE), module.WHAT, module.STEPS, one_way))
    return found


def due(migrations: Sequence[Migration], at: Version, to: Version, *, released: bool = True) -> list[Migration]:
    """Return the migrations between two versions, in the order in which they run.

    Args:
        migrations: all that there are.
        at: what the project is at.
        to: where it goes; where that is before `at`, the migrations run back.
        released: `at` is a release, and not one of the commits before it, which may lack some of its migrations.
    """
    if to < at:
        return [one for one in reversed(migrations) if to < one.since <= at]
    return [one for one in migrations if (at < one.since if released else at <= one.since) and one.since <= to]
