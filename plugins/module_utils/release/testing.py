"""What is known of a release's tests: a record beside it, about the bytes and the commands that they were about."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from ..common.files import read_json, write_atomic
from ..common.ledger import Run
from .files.contents import LIST, TESTS, Contents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .place import Place

PASSED, FAILED, SKIPPED = "ok", "failed", "skipped"
#: What the ledger says of them
TOLD = ("result", "reason", "seconds")


def recorded(place: Place) -> dict[str, Any]:
    """Return what was recorded of a release's tests, {} for nothing."""
    return read_json(place.path(TESTS)) or {}


def digest(place: Place) -> str:
    """Return the digest of a release's bytes, "" where it is not complete."""
    listed = Contents.read(place.path(LIST))
    return str(listed.sha256) if listed else ""


def keep(place: Place, record: Mapping[str, Any]) -> bool:
    """Write a record beside a release; returns whether it says anything new."""
    if not record or recorded(place) == dict(record):
        return False
    write_atomic(place.path(TESTS), json.dumps(record) + "\n")
    return True


def record(place: Place, commands: Sequence[str], result: str, **more: Any) -> dict[str, Any]:
    """Return the record of what came out.

    `more` is `who`; `reason` where they have not passed; `seconds`; and `vid`, the environment that they ran in.
    """
    about = {"result": result, "commands": list(commands), "sha256": digest(place)}
    return {**about, "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **more}


def why_not(known: Mapping[str, Any], commands: Sequence[str], sha256: str) -> str:
    """Return why a record says nothing good of these bytes and these commands; "" where they have passed."""
    if not commands:
        return ""
    if not known or known.get("sha256") != sha256:
        return "it was not tested"
    if known.get("result") == SKIPPED:
        return f"its tests were skipped ({known.get('reason')})"
    if list(known.get("commands") or []) != list(commands):
        return "it was not tested with app_test_commands as they are now"
    return "" if known.get("result") == PASSED else "its tests fail"


def told(known: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a line of the ledger says of them, {} where there is nothing to say.

    Why they fail is the reason of the line itself.
    """
    names = [name for name in TOLD if known.get(name) and (name, known["result"]) != ("reason", FAILED)]
    return {"tests": {name: known[name] for name in names}} if known else {}


def tell(given: Mapping[str, Any], app: str, place: Place, known: Mapping[str, Any]) -> None:
    """Write a line about the tests of a release that serves already: no switch is going to say it."""
    run = Run({**given, "verb": "test"}, app)
    values = {"release": place.id, "message": told(known)["tests"].get("reason", ""), **told(known)}
    if known["result"] == FAILED:
        run.fail(str(known["reason"]), **{**values, "message": ""})
    else:
        run.succeed(**values)
