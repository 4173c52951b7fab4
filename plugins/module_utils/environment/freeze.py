"""An environment is closed for all runs that change it, and opened again."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from ..common.files import write_atomic
from ..common.folders import OPEN_TO_PASS, make_folder, remove
from ..common.ledger import described

if TYPE_CHECKING:
    from .state import Answer, Environment


def freeze(environment: Environment, message: str) -> Answer:
    """Close the environment for all runs that change it; the message says why."""
    before = environment.frozen
    if before and before.get("message", "") == message:
        return False, [f"{environment.name} is frozen already, by {before.get('who')}"]
    run = environment.run
    content = {"who": run.given.get("who", ""), "since": time.time(), "message": message}
    make_folder(run.folder, OPEN_TO_PASS).close()
    write_atomic(environment.freeze_file, json.dumps(content), 0o600)
    run.succeed(**({"message": message} if message else {}))
    say = [f"{environment.name} is frozen" + (f": {message}" if message else "")]
    if environment.holder:
        say.append(f"A run that is at work finishes: {described(environment.holder)}")
    return True, say


def unfreeze(environment: Environment, _message: str) -> Answer:
    """Open it again."""
    before = environment.frozen
    if not before:
        return False, [f"{environment.name} is not frozen"]
    remove(environment.freeze_file)
    environment.run.succeed()
    return True, [f"{environment.name} is open again (frozen by {before.get('who')})"]
