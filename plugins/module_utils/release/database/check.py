"""Does a release fit its environment, and would its migrations disturb what serves: asked on one host."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NoReturn

from ...common.errors import DECISIONS_FILE, HostError
from ...common.files import read_json, write_atomic
from ...common.text import excerpt, few, missing_name
from .. import causes
from ..application import environment_file_names, run_as_app
from ..inside import run_inside
from ..place import LIVE_CODE, Place
from . import linter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Below this a whole table is read or written in well under a second: PostgreSQL reads some 100 000 short rows a second
# at the very least.
MANY_ROWS = 10_000
COMMANDS = {
    "check.check": "manage.py check --deploy",
    "check.describe": "manage.py showmigrations",
    "reverse.plan": "manage.py migrate --plan",
}
NO_ANSWER = "The database does not answer as DATABASE_URL says: `./samestack provision` puts it in order."
WAYS_OUT = (
    "In this release, leave in the database what the running one uses; take it away in the next (docs/migrations.md). "
    "Or accept that the site is closed meanwhile: `--allow-breaking`"
)
WAYS_OUT_SLOW = (
    "Build indexes with AddIndexConcurrently, add constraints as NOT VALID first (docs/migrations.md). Or accept that "
    "the site is closed meanwhile: `--allow-breaking`"
)


class Check:
    """One check of one release, and what came of it."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Take the module's parameters."""
        self.params = params
        self.place = Place(params["root"], params["release_id"])
        self.found: dict[str, Any] = {"pending": [], "applied": [], "known": [], "orphans": [], "looked": []}

    @property
    def before(self) -> str:
        """Return the release that serves, where that is another one and was built: what migrations could disturb."""
        current = self.place.current
        return "" if current in (self.place.id, LIVE_CODE) or self.place.live_folder else current

    def run(self) -> None:
        """Ask the release itself; raises HostError for what is wrong with it."""
        tables, no_linter = None, None
        if self.before:
            tables = self.tables_of(self.before)
            try:
                linter.install(self.params)
            except HostError as error:
                no_linter = error
        given = {"tables": tables, "many": MANY_ROWS, "linter": linter.present(self.params)}
        self.found = ask(self.place, self.params, "check.check", given)
        if no_linter and self.found["pending"] and not self.params["allow_breaking"]:
            raise no_linter
        self.remember()

    def foresee(self) -> None:
        """Say what is due for a release that is not here yet, from the list of its migrations."""
        current = self.place.current
        if not current or not self.params["migrations"]:
            return
        serving = Place(self.params["root"], current)
        applied = set(ask(serving, self.params, "check.describe", {})["applied"])
        self.found["pending"] = [name for name in self.params["migrations"] if name not in applied]

    def missing(self) -> list[str]:
        """Return the environment variables that the settings insist on and nothing sets."""
        required = (self.place.finished or {}).get("environment") or self.params["environment"]
        return missing_names(self.place, self.params["env_file"], required)

    def tables_of(self, release: str) -> dict[str, list[str]]:
        """Return the tables and columns that another release uses: as it said when it was checked, else it is asked."""
        place = Place(self.params["root"], release)
        known = read_json(place.path("database.json")) or {}
        if "tables" not in known:
            known = ask(place, self.params, "check.describe", {})
        tables: dict[str, list[str]] = known["tables"]
        return tables

    def remember(self) -> None:
        """Keep beside the release what it knows of the database, and what that had when the release came."""
        path = self.place.path("database.json")
        if self.params["dry"] or (self.place.current == self.place.id and os.path.exists(path)):
            return
        kept = {name: self.found[name] for name in ("applied", "known", "tables")}
        write_atomic(path, json.dumps(kept) + "\n")

    @property
    def breaking(self) -> list[dict[str, str]]:
        """Return the migrations that what serves cannot live with, or would wait for, each with the reason."""
        rows = [(one["migration"], why) for one in self.found["looked"] for why in [*one["breaking"], *one["slow"]]]
        return [{"migration": name, "why": why} for name, why in rows]

    def refuse_breaking(self) -> None:
        """Raise a HostError for them, unless the run allows it."""
        if not self.breaking or self.params["allow_breaking"]:
            return
        lines = [f"  {one['migration']}: {one['why']}" for one in self.breaking]
        closing = any(one["breaking"] for one in self.found["looked"])
        what = "cannot live with" if closing else "would wait long for"
        raise HostError(
            f"Release {self.before}, which serves, {what} these migrations of release {self.place.id}:\n"
            + "\n".join(lines),
            WAYS_OUT if closing else WAYS_OUT_SLOW,
        )

    def say(self) -> list[str]:
        """Return what people want to know."""
        lines = []
        if self.missing():
            lines.append(f"The settings ask for {', '.join(self.missing())}, which nothing sets")
        if self.found["pending"]:
            lines.append(f"Migrations due: {few(self.found['pending'])}")
        for one in self.found["looked"]:
            lines += [f"  {one['migration']}", *(f"    {text}" for text in one["sql"])]
        if self.found.get("others"):
            lines.append(left_alone(self.found["others"], "migrated, kept in restore points and taken back"))
        strange = self.strangers()
        if strange:
            lines.append(
                f"The database has had migrations that this release does not know, and they stay: {few(strange)}"
            )
        return lines

    def strangers(self) -> list[str]:
        """Return applied migrations that this release does not know and that are no relics from before the last one."""
        place = Place(self.params["root"], self.before)
        relics = (read_json(place.path("database.json")) or {}) if self.before else {}
        known = set(relics.get("known", []))
        old = {name for name in relics.get("applied", self.found["orphans"]) if name not in known}
        return [name for name in self.found["orphans"] if name not in old]


def left_alone(names: Sequence[str], what: str) -> str:
    """Return the line about further databases of the settings."""
    return f"DATABASES has {few(names)} beside default: only default is {what} (docs/migrations.md)"


def ask(place: Place, account: Mapping[str, Any], call: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Run one of our programs in a release's Python; raises HostError with the application's own words."""
    code, answer, output = run_inside(place, account, call, given)
    if code or answer is None:
        fail(place, account, COMMANDS[call], output)
    found: dict[str, Any] = answer
    return found


def run_commands(place: Place, account: Mapping[str, Any], commands: Sequence[str]) -> list[str]:
    """Run shell commands one after the other; returns what they printed. Raises HostError."""
    printed: list[str] = []
    for command in commands:
        code, out, err = run_as_app(place, account, ["/bin/sh", "-ec", command])
        if code:
            fail(place, account, command, f"{out}\n{err}")
        printed += [line for line in out.splitlines() if line.strip()]
    return printed


def fail(place: Place, account: Mapping[str, Any], command: str, output: str) -> NoReturn:
    """Raise a HostError with the application's own words, and what to do."""
    source = os.path.realpath(place.path("source"))
    why = excerpt(output, source, 12)
    message = f"Release {place.id} does not run in this environment: `{command}` failed.\n{why}"
    raise HostError(message, advice(place, account, why, output))


def missing_names(place: Place, env_file: str, required: Mapping[str, bool]) -> list[str]:
    """Return the environment variables that are required and set neither for the application nor for the release."""
    given = environment_file_names(env_file)
    given |= environment_file_names(place.path("release.env"))
    return [name for name, needed in required.items() if needed and name not in given]


def advice(place: Place, account: Mapping[str, Any], why: str, output: str = "") -> str:
    """Return what to do about it: name the environment variables that the settings need and have not."""
    named = missing_name(why)
    missing = missing_names(place, account["env_file"], {named: True}) if named else []
    if named:
        missing += missing_names(place, account["env_file"], (place.finished or {}).get("environment", {}))
    if missing:
        names = ", ".join(dict.fromkeys(missing))
        return f"Set {names} in app_env or app_secret_env (in {DECISIONS_FILE}): `./samestack provision`, deploy again."
    if "OperationalError" in why:
        return NO_ANSWER
    return causes.advice(output or why) or causes.of_import(why) or causes.PROJECT
