"""Where a rollback leads, and what of the database it has to take back: found out before anything is touched."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from ...common import ledger
from ...common.errors import HostError
from ...common.files import read_json
from ..interpreter import brought_by
from ..place import LIVE_CODE, Place
from . import check, linter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# How alike two ids are for one to be meant: a beginning of six of its twelve letters is
NEAR = 0.6
DEPLOY = "`./samestack deploy --ref …` brings any ref there."


def history(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the releases on the way to the live one, the live one last, by the ledger.

    What was rolled back from is not on the way: going back twice does not lead there again.
    """
    way: list[str] = []
    for line in lines:
        release, verb = line.get("release"), line.get("verb", "")
        if line.get("result") != "ok" or not release or verb not in ledger.SWITCHING:
            continue
        if verb == "rollback" and release in way:
            del way[way.index(release) + 1 :]
        else:
            way = [*(one for one in way if one != release), release]
    return way


def left_behind(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the migrations that deployments have run which then failed."""
    lines = list(lines)
    failed = ledger.failed_releases(lines)
    return [name for line in lines if line.get("release") in failed for name in line.get("migrations") or []]


class Reversal:
    """One rollback: from the live release to another one."""

    def __init__(self, params: Mapping[str, Any], lines: Iterable[Mapping[str, Any]]) -> None:
        """Take the module's parameters and the ledger's lines."""
        self.params = params
        self.live = Place(params["root"], Place(params["root"], "").current)
        self.lines = [line for line in lines if line.get("app", params["app"]) == params["app"]]
        self.kept = [name for name in self.live.names if self.place(name).finished and name != LIVE_CODE]
        self.target = Place(params["root"], "")

    def place(self, release: str) -> Place:
        """Return where a release is."""
        return Place(self.params["root"], release)

    def label(self, release: str) -> str:
        """Return a release's id and what it was built from."""
        built = read_json(self.place(release).path("build.json")) or {}
        return f"{release} ({built['label']})" if built.get("label") else release

    def choose(self) -> None:
        """Find the target; raises HostError where there is none to go back to."""
        if not self.live.id:
            raise HostError(
                "Nothing is live here: there is nothing to go back from.", "Run `./samestack deploy` first."
            )
        if self.params["live_path"] or self.live.id == LIVE_CODE or self.live.live_folder:
            raise HostError("This host serves live code (app_live_path), which has no releases to go back to.")
        wanted = self.params["release_id"]
        self.target = self.place(self.named(wanted) if wanted else self.last_good())

    def good(self) -> list[str]:
        """Return the kept releases that have served here well, the newest first."""
        return [name for name in ledger.good_releases(self.lines) if name in self.kept]

    def last_good(self) -> str:
        """Return the last good release before the live one."""
        good, way = self.good(), history(self.lines)
        before = way[: way.index(self.live.id)] if self.live.id in way else way
        candidates = [name for name in before if name in good and name != self.live.id]
        if candidates:
            return candidates[-1]
        others = [self.label(name) for name in good if name != self.live.id]
        raise HostError(
            f"There is no earlier good release on this host: {self.label(self.live.id)} is live"
            + (
                f"; others that served well: {', '.join(others)} (`--to …`)."
                if others
                else ", and no other served here."
            ),
            DEPLOY,
        )

    def named(self, wanted: str) -> str:
        """Return the release that `--to` names, or whose id begins so; raises HostError where there is none."""
        begun = [name for name in self.live.names if name.startswith(wanted)]
        if len(begun) > 1:
            raise HostError(f"{wanted} (--to): several releases begin so.", f"Write one of: {', '.join(sorted(begun))}")
        wanted = begun[0] if begun else wanted
        failed = ledger.failed_releases(self.lines)
        good = self.good()
        there = f"To choose from: {', '.join(map(self.label, good)) or 'none'}."
        if wanted in failed:
            raise HostError(f"Release {wanted} has failed here, so nobody is sent back to it: {failed[wanted]}", there)
        if wanted not in self.live.names:
            nearest = difflib.get_close_matches(wanted, good, 1, NEAR)
            meant = f"Did you mean {self.label(nearest[0])}? " if nearest else ""
            raise HostError(f"{wanted} (--to): this host has no such release.", f"{meant}{there} {DEPLOY}")
        if wanted not in self.kept:
            raise HostError(f"Release {wanted} is not complete on this host.", there)
        if wanted not in good and wanted != self.live.id:
            raise HostError(f"Release {wanted} has never served here.", there)
        return wanted

    def knowledge(self) -> dict[str, Any]:
        """Return what the target knows: migrations, tables, and what was applied when it was deployed."""
        known = read_json(self.target.path("database.json")) or {}
        if "tables" not in known:
            # It was deployed before this was kept: what was applied then is not known.
            told = check.ask(self.target, self.params, "check.describe", {})
            known = {"known": told["known"], "tables": told["tables"], "applied": []}
        return known

    def plan(self) -> dict[str, Any]:
        """Return what is to be reversed, with whose code, and what stands against it."""
        target = self.knowledge()
        given = {
            "names": None, "known": target["known"], "accepted": target["applied"], "left": left_behind(self.lines),
            "tables": target["tables"], "linter": linter.present(self.params),
        }  # fmt: skip
        try:
            answer = check.ask(self.live, self.params, "reverse.plan", given)
        except HostError:
            # Code only: it must work where the live release cannot even be asked.
            if self.params["database"] != "keep":
                raise
            answer = {"names": [], "applied": [], "order": [], "further": [], "details": []}
        names = answer["names"]
        steps = self.steps(names, answer, given)
        covered = {name for step in steps for name in step["names"]}
        details = [one for step in steps for one in step["details"]]
        blocked = [{"migration": one["migration"], "why": why} for one in details for why in one["obstacles"]]
        blocked += [
            {"migration": name, "why": "no release on this host has its code"} for name in names if name not in covered
        ]
        blocked += [{"migration": name, "why": why} for step in steps for name, why in step["further"].items()]
        return {
            "target": self.target.id,
            "live": self.live.id,
            "release": self.release(),
            "names": [name for step in steps for name in step["names"]],
            "steps": [{"release": step["release"], "names": step["names"]} for step in steps],
            "blocked": blocked,
            "lost": [one for detail in details for one in detail["lost"]],
            "breaking": [{"migration": one["migration"], "why": why} for one in details for why in one["breaking"]],
            "surplus": names,
        }

    def release(self) -> dict[str, Any]:
        """Return what the other steps need of the target, as a build or a promotion has it."""
        built = read_json(self.target.path("build.json")) or {}
        return {
            "id": self.target.id,
            "sha256": built.get("sha256", ""),
            "label": built.get("label", ""),
            "commits": [],
            "migrations": [],
            "environment": (self.target.finished or {}).get("environment", {}),
            "python": brought_by(self.target.finished),
        }

    def steps(self, names: Sequence[str], answer: Mapping[str, Any], given: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return which release reverses what, in order: the live one, or one that has all of it, or several."""
        found = [step(self.live.id, answer)] if answer["order"] else []
        rest = [name for name in names if name not in answer["order"]]
        for release in self.holders(rest):
            if not rest:
                break
            whole = check.ask(self.place(release), self.params, "reverse.plan", {**given, "names": names})
            if set(whole["order"]) == set(names):
                return [step(release, whole)]
            part = check.ask(self.place(release), self.params, "reverse.plan", {**given, "names": rest})
            if part["order"]:
                found.append(step(release, part))
                rest = [name for name in rest if name not in part["order"]]
        # What was applied last goes first.
        return sorted(found, key=lambda one: max(map(answer["applied"].index, one["names"])), reverse=True)

    def holders(self, names: Iterable[str]) -> list[str]:
        """Return the kept releases, other than the live one, that have some of the migrations, the newest first."""
        wanted, found = set(names), []
        for release in self.kept:
            known = read_json(self.place(release).path("database.json")) or {}
            built = read_json(self.place(release).path("build.json")) or {}
            if release != self.live.id and wanted & {*known.get("known", []), *built.get("migrations", [])}:
                found.append((str(built.get("built", "")), release))
        return [release for _built, release in sorted(found, reverse=True)]


def step(release: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return one step of a reversal from what the release's code said."""
    resting = ", ".join(answer["order"])
    further = dict.fromkeys(answer["further"], f"it rests on {resting} and would have to be reversed too")
    return {"release": release, "names": answer["order"], "details": answer["details"], "further": further}
