"""Where a rollback leads, and what of the database it has to take back: found out before anything is touched."""

from __future__ import annotations

import contextlib
import difflib
from typing import TYPE_CHECKING, Any

from ...common import ledger
from ...common.errors import HostError
from ...common.files import read_json
from ...inside_app.schema import dropped, lost, misfits
from ..interpreter import brought_by
from ..place import LIVE_CODE, Place
from . import check, sql_parser
from .simulation import Simulation
from .statements import Facts, judge

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

# How alike two ids are for one to be meant: a beginning of six of its twelve letters is
NEAR = 0.6
DEPLOY = "`./samestack deploy --ref …` brings any ref there."
NO_SQL = "what it does cannot be told before it runs"
NO_PARSER = "nothing on this host can tell what it does to running code"
NO_CODE = "no release on this host has its code"
WOULD_MISS = {
    "missing": "would not be there, and release {} uses it",
    "unfilled": "would have to be filled, and release {} does not know it",
}


def history(lines: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the releases on the way to the live one, the live one last, by the ledger.

    What was rolled back from is not on the way: going back twice does not lead there again.
    """
    way: list[str] = []
    for line in lines:
        release, verb = line.get("release"), line.get("verb", "")
        if line.get("result") != "ok" or not release or verb not in ledger.SWITCHING:
            continue
        if verb in ("rollback", "restore") and release in way:
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
        if "made" not in known:
            # It was deployed before this was kept: what was applied then is known only if that was kept.
            told = check.ask(self.target, self.params, "check.describe", {})
            known = {**told, "applied": known.get("applied", [])}
        return known

    def squashed(self) -> dict[str, list[str]]:
        """Return of each squashed migration what it stands for, as any release on this host has said it."""
        found: dict[str, list[str]] = {}
        for release in self.kept:
            found.update((read_json(self.place(release).path("database.json")) or {}).get("squashed", {}))
        return found

    def plan(self) -> dict[str, Any]:
        """Return what is to be reversed, with whose code, what goes with it, and what stands against it."""
        target = self.knowledge()
        left = [*left_behind(self.lines), *target.get("newer", ())]
        given = {
            "names": None, "known": target["known"], "accepted": target["applied"], "left": left,
            "squashed": {**self.squashed(), **target["squashed"]},
        }  # fmt: skip
        try:
            answer = check.ask(self.live, self.params, "reverse.plan", given)
        except HostError:
            # Code only: it must work where the live release cannot even be asked.
            if self.params["database"] != "keep":
                raise
            answer = {"names": [], "applied": [], "squashed": {}, "order": [], "rests": {}, "details": [],
                      "catalogue": {}}  # fmt: skip
        names = answer["names"]
        steps = self.steps(names, answer, given)
        self.read(steps)
        prospect = Prospect(steps, answer, target)
        stays = prospect.stays()
        steps = [kept for one in steps for kept in [without(one, stays)] if kept["names"]]
        names = [name for name in names if name not in stays]
        covered = [name for step in steps for name in step["names"]]
        details = [one for step in steps for one in step["details"]]
        blocked = [{"migration": one["migration"], "why": why} for one in details for why in one["obstacles"]]
        blocked += [{"migration": name, "why": NO_CODE} for name in names if name not in covered]
        blocked += [{"migration": name, "why": why} for step in steps for name, why in further(step, covered)]
        if not blocked and (steps or stays):
            blocked = [{"migration": one, "why": why} for one, why in prospect.against(self.target.id)]
        return {
            "target": self.target.id,
            "live": self.live.id,
            "release": self.release(),
            "names": covered,
            "steps": [
                {"release": step["release"], "names": step["names"], "forget": step["forget"]} for step in steps
            ],
            "blocked": blocked,
            "stays": sorted(stays),
            "lost": [one for detail in details for one in detail["lost"]],
            "breaking": [{"migration": one["migration"], "why": why} for one in details
                         for why in breaking(one, target["tables"])],
            "drops": [] if blocked else self.counted(prospect.drops()),
            "uses": target["tables"],
            "confirmed": list(self.params["tables"]),
            "surplus": names,
            "others": answer.get("others", []),
        }  # fmt: skip

    def read(self, steps: Sequence[Mapping[str, Any]]) -> None:
        """Put beside each migration's SQL what that does, both ways; None where nobody can tell."""
        details = [one for step in steps for one in step["details"]]
        if any(one["backwards"] is not None for one in details):
            with contextlib.suppress(HostError):
                # The reversal itself looks once more before anything is committed.
                sql_parser.install(self.params)
        there = bool(sql_parser.present(self.params))
        texts = [text for one in details for way in ("forwards", "backwards") for text in one[way] or []]
        found = iter(sql_parser.read(self.live, self.params, texts) if there else [])
        for one in details:
            one["parsed"] = there
            for way in ("forwards", "backwards"):
                known = one[way]
                one[f"does_{way}"] = None if known is None or not there else [
                    action for text in known for action in told(text, next(found))
                ]  # fmt: skip

    def counted(self, tables: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
        """Return the tables that would be dropped and have rows: how many, and by which migration."""
        if not tables:
            return []
        given = {"tables": [table for table, _migration in tables]}
        rows = check.ask(self.live, self.params, "reverse.count", given)["rows"]
        return [{"table": table, "rows": rows[table], "migration": name} for table, name in tables if rows[table]]

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
    return {"release": release, "names": answer["order"], "details": answer["details"], "rests": answer["rests"],
            "applied": answer["applied"], "squashed": answer["squashed"], "forget": []}  # fmt: skip


def without(found: Mapping[str, Any], stays: Collection[str]) -> dict[str, Any]:
    """Return a step without what stays, and with the records of squashed migrations that do not hold any more."""
    names = [name for name in found["names"] if name not in stays]
    forget = [name for name in found["applied"] if name not in names and name not in stays
              and set(parts_of(name, found["squashed"])).intersection(names)]  # fmt: skip
    details = [one for one in found["details"] if one["migration"] not in stays]
    return {**found, "names": names, "details": details, "forget": forget}


def parts_of(name: str, squashed: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what a squashed migration stands for, and what squashed ones among that stand for."""
    found: list[str] = []
    waiting = list(squashed.get(name, ()))
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.append(one)
            waiting += squashed.get(one, ())
    return found


def further(found: Mapping[str, Any], covered: Collection[str]) -> list[tuple[str, str]]:
    """Return the applied migrations that would have to be reversed, too, each with the reason."""
    resting = [one for name in found["names"] for one in found["rests"].get(name, ()) if one not in covered]
    why = f"it rests on {', '.join(found['names'])} and would have to be reversed too"
    return [(one, why) for one in dict.fromkeys(resting)]


def told(text: str, actions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what a text does; Django writes a comment where only running it tells."""
    return [*actions, {"do": "unknown", "what": "RunPython"}] if "CANNOT BE" in text else actions


def breaking(detail: Mapping[str, Any], tables: Mapping[str, Sequence[str]]) -> list[str]:
    """Return why code that uses tables cannot live with a migration, or does not survive its reversal."""
    if not detail["parsed"]:
        return [NO_PARSER]
    both = [detail["does_forwards"], detail["does_backwards"]]
    found = judge([one for actions in both for one in actions or []], Facts(tables)).breaking
    return found + ([NO_SQL] if None in both else [])


class Prospect:
    """What the database would be after a reversal: found out from the statements, without running one."""

    def __init__(
        self, steps: Sequence[Mapping[str, Any]], answer: Mapping[str, Any], target: Mapping[str, Any]
    ) -> None:
        """Take the steps, what the live release said, and what the target knows."""
        self.order = [one for step in steps for one in step["details"]]
        self.rests: dict[str, set[str]] = {}
        for step in steps:
            for name, resting in step["rests"].items():
                self.rests.setdefault(name, set()).update(resting)
        self.catalogue: dict[str, Any] = answer["catalogue"]
        self.uses = target["tables"]
        made = set(target["made"])
        self.made = {table: columns for table, columns in self.uses.items() if table in made}
        self.kept: set[str] = set()
        self.simulation = Simulation(self.catalogue)
        #: By which migration a table goes
        self.by: dict[str, str] = {}

    def stays(self) -> set[str]:
        """Return the migrations that are not reversed, since that would take from the target what it uses.

        Such a one is not newer: it has been applied under another name. What it rests on stays, too, and so does what
        could not be done beside it.
        """
        while True:
            culprits = self.simulate()
            culprits |= {name for name, resting in self.rests.items() if resting & (self.kept | culprits)} - self.kept
            if not culprits or not (culprits - self.kept):
                return self.kept
            self.kept |= culprits

    def simulate(self) -> set[str]:
        """Reverse in the mind all that does not stay; returns what must not be."""
        self.simulation, self.by = Simulation(self.catalogue), {}
        gone: dict[tuple[Any, ...], str] = {}
        hindered = set()
        for one in self.order:
            name = one["migration"]
            if name in self.kept:
                continue
            before = spots(self.simulation.after)
            if self.simulation.run(actions_of(one)) and self.kept:
                hindered.add(name)
            for spot in before - spots(self.simulation.after):
                gone[spot] = name
        for table, about in self.catalogue.items():
            if (about["id"],) in gone:
                self.by[table] = gone[(about["id"],)]
        taken = lost(self.uses, self.catalogue, self.simulation.after)
        return hindered | {name for one in taken for name in [self.taker(one, gone)] if name}

    def taker(self, taken: tuple[str, str], gone: Mapping[tuple[Any, ...], str]) -> str:
        """Return the migration whose reversal takes a (table, column) away."""
        table, column = taken
        about = self.catalogue[table]
        whole = gone.get((about["id"],), "")
        return whole or (gone.get((about["id"], about["columns"][column][0]), "") if column else "")

    def against(self, target: str) -> list[tuple[str, str]]:
        """Return (what of the database, why) the target could not live with afterwards; nothing where nobody knows."""
        if self.simulation.unsure or not self.catalogue:
            return []
        found = [(f"{conflict}, which is there", "it cannot be reversed") for conflict in self.simulation.conflicts]
        for table, column, why in misfits(self.made, self.simulation.after):
            found.append((f"{table}{'.' if column else ''}{column}", WOULD_MISS[why].format(target)))
        return found

    def drops(self) -> list[tuple[str, str]]:
        """Return the tables that would be dropped, each with the migration by which it goes."""
        return [(table, self.by.get(table, "")) for table in dropped(self.catalogue, self.simulation.after)]


def actions_of(detail: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what reversing a migration does; by its operations where its SQL is not known."""
    if detail["does_backwards"] is not None:
        return list(detail["does_backwards"])
    return [{"do": "unknown"}] + [
        {"do": "drop column" if column else "drop table", "table": table, "column": column}
        for table, column in detail["made"]
    ]


def spots(catalogue: Mapping[str, Any]) -> set[tuple[Any, ...]]:
    """Return what tells the tables and columns of a catalogue apart, whatever their names: (id,) and (id, number)."""
    tables = {(about["id"],) for about in catalogue.values()}
    return tables | {(about["id"], place) for about in catalogue.values() for place, _must in about["columns"].values()}
