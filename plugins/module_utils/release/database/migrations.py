"""Migrates with a release's code, or reverses, and says what became of the database when that fails."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NoReturn

from ...common.errors import HostError
from ...common.files import read_json, write_atomic
from ...common.text import excerpt
from .. import causes
from ..inside import run_inside
from . import check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...common.ledger import Run
    from ..place import Place

MEND = (
    "The release that serves goes on with the database as it is. Mend the migration and deploy again; or take back "
    "what is left: `./samestack rollback --to <the release that serves>`."
)
KEEP = "What is left: `--database keep` changes the code only, `--database restore` brings back the copy from before."
ANEW = "The next run takes an index that it builds away first."
# SQLSTATE 55P03 as the drivers say it
GAVE_UP = "lock timeout"
WAIT = (
    "Nothing that serves was touched. Wait until that is done (or end it: SELECT pg_terminate_backend(…)), then run "
    "this again."
)


def migrate(place: Place, params: Mapping[str, Any], run: Run) -> tuple[list[str], bool]:
    """Run `manage.py migrate` with a release's code; raises HostError.

    Returns the migrations that ran, as they were due, and whether the database has anything new recorded at all.
    """
    code, answer, output = inside(place, params, "migrate.migrate", {})
    run.note(migrations=answer["ran"])
    remember(place, answer["ran"])
    if code:
        done = "Before it these ran and stay: " + ", ".join(answer["steps"]) + "." if answer["steps"] else ""
        explain(place, "migrate", answer, output, done)
    return list(answer["steps"]), bool(answer["ran"])


def remember(place: Place, ran: Sequence[str]) -> None:
    """Keep beside the release what the database has had since it was checked."""
    path = place.path("database.json")
    known = read_json(path)
    if known and ran:
        applied = [*known["applied"], *(name for name in ran if name not in known["applied"])]
        write_atomic(path, json.dumps({**known, "applied": applied}) + "\n")


def reverse(place: Place, params: Mapping[str, Any], run: Run, step: Mapping[str, Any]) -> None:
    """Reverse step["names"], in that order, with a release's code; raises HostError.

    params["plan"] says what the release that is gone back to uses, and which tables with rows may go.
    """
    guarded = {name: params["plan"][name] for name in ("uses", "confirmed")}
    given = {"names": step["names"], "forget": step["forget"], **guarded}
    code, answer, output = inside(place, params, "migrate.reverse", given)
    run.note(reversed=answer["reversed"])
    if code:
        done = f"Reversed before that: {', '.join(answer['reversed'])}." if answer["reversed"] else "None is reversed."
        explain(place, "migrate (backwards)", answer, output, done)


def inside(
    place: Place, params: Mapping[str, Any], call: str, given: Mapping[str, Any]
) -> tuple[int, dict[str, Any], str]:
    """Run one of our programs in a release's Python; returns (exit code, its answer, what it printed about errors)."""
    given = {
        **given,
        "lock_timeout": params["lock_timeout"],
        "patience": params["patience"],
        "name": f"samestack {call.rsplit('.', maxsplit=1)[-1]} {place.id}",
    }
    code, answer, output = run_inside(place, params, call, given)
    nothing: dict[str, Any] = {name: [] for name in ("ran", "steps", "reversed", "blockers", "rebuilt", "unfinished")}
    return code, answer or nothing, output


def explain(place: Place, what: str, answer: Mapping[str, Any], output: str, done: str) -> NoReturn:
    """Raise the HostError for a migration that failed; `done` says what of it stays."""
    if answer["unfinished"]:
        done += f"\nLeft unfinished, and of no use to any query: {', '.join(answer['unfinished'])}. {ANEW}"
    if GAVE_UP in output:
        who = "".join(f"\n  {line}" for line in answer["blockers"]) or " somebody who let go meanwhile"
        text = f"gave up: a table was in use for longer than release_lock_timeout by{who}"
        raise HostError(f"`manage.py {what}` of release {place.id} {text}\n{done}".strip(), WAIT)
    why = excerpt(output, os.path.realpath(place.path("source")), 12)
    text = f"`manage.py {what}` of release {place.id} failed.\n{why}\n{done}".strip()
    if "OperationalError" in why:
        raise HostError(text, check.NO_ANSWER)
    raise HostError(text, causes.of_rights(why) or (MEND if what == "migrate" else KEEP))
