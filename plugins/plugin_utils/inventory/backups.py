"""What is wrong with where backups go: production without a place off its machine, a place that nobody is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from .laws import Place

PRODUCTION = "production"
NAME, REASON = "backup_repositories", "backup_none_because"
HOST, LOCAL = "host", "local"


def backup_problems(
    values: Mapping[str, Any], place: Place, environment: str, keepers: Collection[str]
) -> Iterator[Problem]:
    """Yield what is wrong with where an environment's backups go.

    Args:
        values: the decisions as a host sees them.
        place: tells where something was written.
        environment: its name.
        keepers: its machines in group `backup`.
    """
    repositories = values.get(NAME)
    if not isinstance(repositories, list) or not all(isinstance(one, dict) for one in repositories):
        return
    types = [one.get("type") for one in repositories]
    if HOST in types and not keepers:
        what = f"no machine of {environment} is in group backup"
        fix = "Name one in the inventory under `backup: hosts:`, and under its environment"
        yield Problem(NAME, place(NAME, (types.index(HOST),)), what, fix, "type: host")
    if HOST in types and len(keepers) > 1:
        what = f"{environment} has one machine for its backups, not several"
        yield Problem("group backup", place(NAME, ()), what, "Leave one of them", ", ".join(sorted(keepers)))
    for index, kind in enumerate(types):
        if kind in types[:index]:
            yield Problem(f"{NAME}[{index}]", place(NAME, (index,)), f"{kind} is there twice", "Leave one of the two")
    if environment == PRODUCTION and all(kind == LOCAL for kind in types) and not values.get(REASON):
        what = "production has no backup off its machine"
        fix = (
            f"Write `{NAME}: [{{type: host}}]` and a machine in group backup (docs/backups.md); or `{NAME}: []` and "
            f"`{REASON}: …`, which says why there is none"
        )
        yield Problem(NAME, place(NAME, ()), what, fix, "[]" if not types else "local alone")
