"""What a rollback does with the database, decided from its plan and from what the run asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...common import text
from ...common.errors import HostError
from ...inside_app.reverse import COUNTED
from . import restore_points

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def decide(
    plan: Mapping[str, Any], database: str, confirmed: bool, points: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what the rollback does, from the plan and what the run asks for; raises HostError where that cannot be.

    The answer: `action` (nothing, reverse, keep, restore), `point` to restore, `closing` (the site closes while the
    database changes), `pointed` (a restore point is taken first: tables with rows go), `say`.
    """
    names = plan["names"]
    point = newest_before(points, plan["surplus"])
    if database == "restore":
        return to_restore(plan, point, confirmed)
    if database == "keep" or not (plan["surplus"] or plan["blocked"]):
        say = [f"The database stays as it is, with {text.few(plan['surplus'])}"] if plan["surplus"] else []
        say += [f"  {one['migration']}: {one['why']}" for one in plan["breaking"]] if plan["surplus"] else []
        say += stays_words(plan)
        action = "keep" if plan["surplus"] else "nothing"
        return {"action": action, "point": "", "closing": False, "pointed": False, "say": say}
    if plan["blocked"]:
        lines = "\n".join(f"  {one['migration']}: {one['why']}" for one in plan["blocked"])
        raise HostError(
            f"The database cannot be taken back to release {plan['target']} step by step:\n{lines}\n"
            "Nothing was touched.",
            f"Two ways are left. Code only, the database stays: `--database keep`. {or_restore(point)}",
        )
    refuse_unasked(plan)
    say = [f"To be reversed: {text.few(names)}"]
    say += [f"  {one['table']} goes, with {rows_words(one)}" for one in plan["drops"]]
    if plan["lost"]:
        say.append(f"  What these had removed comes back empty: {text.few(plan['lost'])}")
    say += [f"  {one['migration']}: {one['why']}; the site is closed meanwhile" for one in plan["breaking"]]
    say += stays_words(plan)
    closing, pointed = bool(plan["breaking"]), bool(plan["drops"])
    return {"action": "reverse", "point": "", "closing": closing, "pointed": pointed, "say": say}


def stays_words(plan: Mapping[str, Any]) -> list[str]:
    """Return what is said of migrations that are applied under another name."""
    if not plan["stays"]:
        return []
    return [f"Applied under another name, release {plan['target']} uses what they made: {text.few(plan['stays'])}"]


def rows_words(one: Mapping[str, Any]) -> str:
    """Return how many rows a table has, in words."""
    number = one["rows"]
    return f"more than {COUNTED:,} rows" if number > COUNTED else "1 row" if number == 1 else f"{number:,} rows"


def refuse_unasked(plan: Mapping[str, Any]) -> None:
    """Raise a HostError for tables with rows that would be dropped and that nobody has named."""
    unasked = [one for one in plan["drops"] if one["table"] not in plan["confirmed"]]
    if not unasked:
        return
    lines = "\n".join(f"  {one['table']}: {rows_words(one)} ({one['migration']})" for one in unasked)
    flags = " ".join(f"--confirm {one['table']}" for one in plan["drops"])
    raise HostError(
        f"Release {plan['target']} does not know tables that have rows; going back drops them:\n{lines}\n"
        "Nothing was touched.",
        f"If they may go: `{flags}`; a restore point is taken first. Or code only, the database stays: "
        "`--database keep`",
    )


def to_restore(plan: Mapping[str, Any], point: Mapping[str, Any] | None, confirmed: bool) -> dict[str, Any]:
    """Return what a rollback with the restore point does; raises HostError without one, or unconfirmed."""
    if point is None:
        raise HostError(
            f"There is no restore point from before {text.few(plan['surplus']) or plan['live']}.",
            "What is left: `--database keep` changes the code only.",
        )
    lost = f"Everything written in the last {restore_points.age(point['age'])} will be lost"
    if not confirmed:
        raise HostError(
            f"Restore point {point['name']} is {restore_points.age(point['age'])} old. {lost}: "
            "rows, accounts, orders, all of it. Uploaded files stay. Nothing was touched.",
            "If that is meant: `--database restore --confirm`",
        )
    say = [f"Restored: the database as it was {restore_points.age(point['age'])} ago. {lost.replace('will be', 'is')}"]
    return {"action": "restore", "point": point["name"], "closing": True, "pointed": False, "say": say}


def newest_before(points: Sequence[Mapping[str, Any]], names: Iterable[str]) -> Mapping[str, Any] | None:
    """Return the newest restore point that none of the migrations had touched; points come newest first."""
    unwanted = set(names)
    return next((point for point in points if not unwanted.intersection(point["migrations"])), None)


def or_restore(point: Mapping[str, Any] | None) -> str:
    """Return the second way out, in words."""
    if point is None:
        return "There is no restore point from before."
    old = restore_points.age(point["age"])
    return (
        f"Or the copy of the database from before, {old} old ({point['name']}); what was written since is lost: "
        "`--database restore --confirm`"
    )
