"""What the inventory says of the names of variables: which exist, and where each may stand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import Problem
from . import environment as in_hand
from . import laws, notices
from .files import label
from .migrations import all_migrations
from .view import DECISIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .view import Inventory


def name_problems(inventory: Inventory) -> Iterator[Problem]:
    """Yield what is wrong with the names of variables and with where they stand."""
    beside = Path(inventory.task_vars.get("playbook_dir") or inventory.folder)
    for name in ("group_vars", "host_vars") if beside != inventory.folder else ():
        if (beside / name).is_dir():
            what = "variables beside the playbooks would win over the inventory's without a word"
            yield Problem("folder", label(beside / name, inventory.root), what, f"Move them to inventories/{name}/")
    for error in inventory.errors:
        yield error.problem
    known, allowed = inventory.known, inventory.allowed
    declared_in = label(inventory.folder / in_hand.MARK, inventory.root)
    files = inventory.settings
    former = {name: " and ".join(new) for one in all_migrations() for name, new in one.gone.items()}
    yield from laws.unknown_names(files, known, inventory.prefixes, (), former)
    # A name that does not exist is one problem, not two.
    current = [s for s in files if s.name not in notices.RETIRED]
    real = [s for s in current if s.name in known | allowed or not s.name.startswith(tuple(inventory.prefixes))]
    if allowed:
        decided_in = label(inventory.folder / in_hand.MARK.with_name(DECISIONS), inventory.root)
        yield from laws.undeclared_differences(real, allowed, declared_in, decided_in)
    yield from laws.set_twice(files)
    yield from laws.worked_out(files)
    yield from laws.without_effect(files, allowed)
    yield from notices.retired_decisions([*files, *inventory.extra])
    yield from laws.unknown_differences(
        allowed, {*known, *(s.name for s in files if s.everywhere)}, declared_in, former
    )
    yield from laws.unknown_names(inventory.extra, known, inventory.prefixes, files, former)
    if not all(in_hand.is_local(host, inventory.groups) for host in inventory.hosts):

        def home(name: str) -> str:
            return inventory.home(name, inventory.hosts[0], extra=False)

        yield from laws.decisions_of_one_run(inventory.extra, set(inventory.decisions), home)
