"""Does what a rollback has planned for the database, and leaves something consistent when that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...common.errors import HostError
from ...common.ledger import Run
from ...common.text import few
from ..place import Place
from . import migrations

if TYPE_CHECKING:
    from collections.abc import Mapping


def run_plan(params: Mapping[str, Any]) -> tuple[list[str], str]:
    """Reverse what was planned; returns (what happened in words, why it failed while the site was closed).

    While the site is closed the release that was live is to start again, so its migrations are put back, and the
    failure is returned: the site opens first. While the target serves already, it lives with what is left, and the
    failure is raised as HostError.
    """
    plan = params["plan"]
    if plan["closing"]:
        run = Run(params["run"], params["app"])
    else:
        # The switch has its line in the ledger already.
        run = Run({**params["run"], "verb": "reverse"}, params["app"])
    run.require_lock()
    try:
        for step in plan["steps"]:
            place = Place(params["root"], step["release"])
            migrations.reverse(place, params, run, step)
    except HostError as error:
        what = {"from": plan["live"], "to": plan["target"]}
        if not plan["closing"]:
            run.fail(str(error), **what)
            text = f"Release {plan['target']} serves, and can live with the migrations that are left. {error}"
            raise HostError(text, f"Run `./samestack rollback --to {plan['target']}` again.") from error
        left = set(plan["names"]) - set(run.noted.get("reversed", []))
        text = f"{error}\n{'The database is as it was.' if left == set(plan['names']) else put_back(params, run)}"
        run.fail(text, **what)
        return [], f"{text} {error.hint}"
    if not plan["closing"]:
        run.succeed(**{"from": plan["live"], "to": plan["target"]})
    return [f"The database is as release {plan['target']} knows it (reversed: {few(plan['names'])})"], ""


def put_back(params: Mapping[str, Any], run: Run) -> str:
    """Migrate forwards again what was reversed; returns what came of it, in words.

    With the code that reversed it, then with that of the release that was live: the second may not have the first's.
    """
    plan = params["plan"]
    gone, again = set(run.noted.get("reversed", [])), []
    releases = [step["release"] for step in reversed(plan["steps"]) if gone.intersection(step["names"])]
    try:
        for release in dict.fromkeys([*releases, plan["live"]]):
            again += migrations.migrate(Place(params["root"], release), params, run)[0]
    except HostError as error:
        return (
            f"Release {plan['live']} starts again, and the database is not as it knows it: {error} "
            "The restore point helps: `--database restore`"
        )
    done = f"Put back: {', '.join(again)}. " if again else ""
    return f"{done}The database is as release {plan['live']} knows it."
