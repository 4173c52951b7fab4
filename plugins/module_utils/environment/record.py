"""What a provision or an upgrade did to this host is recorded: in the ledger, and in a new manifest."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..common import recorder
from ..system import undo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .state import Answer, Environment


def provisioned(environment: Environment, message: str) -> Answer:
    """Record that this run changed the machine, where it did, and what is there now.

    With a message, that it came to no good end. What it replaced is kept by its name.
    """
    run = environment.run
    changed = run.id and os.path.isdir(undo.run_folder(run.id))
    files = undo.kept_files(run.id) if changed else []
    found = {**({"files": len(files)} if files else {}), **raised(environment.packages)}
    if message:
        run.fail(message, **found)
    elif found:
        run.succeed(**found)
    return False, recorder.record(run.given)


def upgraded(environment: Environment, trouble: str) -> Answer:
    """Record which packages this run raised, what went wrong then, and what is there now."""
    run, found = environment.run, raised(environment.packages)
    if trouble:
        run.fail(trouble, **found)
    elif found:
        run.succeed(**found)
    return False, recorder.record(run.given)


def raised(packages: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the ledger says of raised packages, each (version before, after); {} where there is none."""
    found = {name: " → ".join(versions) for name, versions in packages.items()}
    return {"packages": len(found), "raised": found} if found else {}
