"""Does a release fit its environment, and would its migrations disturb what serves: asked on one host."""

from __future__ import annotations

import json
import os
import re
import shlex
from typing import TYPE_CHECKING, Any, NoReturn

from ...common.errors import DECISIONS_FILE, HostError
from ...common.files import read_json, write_atomic
from ...common.ledger import good_releases, read_ledger
from ...common.postgresql import literal
from ...common.text import excerpt, few, missing_name
from ...inside_app.schema import misfits
from .. import causes, writable
from ..application import environment_file_names, run_as_app
from ..inside import run_inside
from ..place import LIVE_CODE, Place
from . import sql_parser
from .simulation import Simulation
from .statements import UNFILLED, Facts, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Below this a whole table is read or written in well under a second: PostgreSQL reads some 100 000 short rows a second
# at the very least.
MANY_ROWS = 10_000
COMMANDS = {
    "check.check": "manage.py check",
    "check.describe": "manage.py showmigrations",
    "reverse.plan": "manage.py migrate --plan",
}
NO_ANSWER = "The database does not answer as DATABASE_URL says: `./samestack provision` puts it in order."
WAYS_OUT = (
    "In this release, leave in the database what the running one uses; take it away in the next (docs/migrations.md). "
    "Or accept that the site is closed meanwhile: `--allow-breaking`"
)
# What is shown of a migration's SQL
SHOWN_STATEMENTS, SHOWN_LENGTH = 8, 160
CANNOT_TELL = "Nobody can tell what this means for the release that serves"
UNKNOWN = "what it does cannot be told before it runs"
KEPT = ("applied", "known", "tables", "made", "squashed")
REASONS = {
    "missing": "is not there",
    "unfilled": "must not be empty, has no default in the database, and the release does not know it",
}
ALREADY = (
    "Where that was made under another name (a squashed migration whose `replaces` is gone), deploy first the release "
    "that still has `replaces`; or record it as applied: `echo {} | {}`"
)
RECORD = "INSERT INTO django_migrations (app, name, applied) VALUES {}"
#: SQL that a shell leaves as it is, in quotes that people can read
PLAIN = re.compile(r"[\w ',().]+")
WAYS_OUT_UNFILLED = (
    "Let the database have the default, too: `db_default=…` beside `default=…` (Django 5), or `null=True` in this "
    "release (docs/migrations.md). Or accept that the site is closed meanwhile: `--allow-breaking`"
)
WAYS_OUT_SLOW = (
    "Build indexes with AddIndexConcurrently, add constraints as NOT VALID first (docs/migrations.md). Or accept that "
    "the site is closed meanwhile: `--allow-breaking`"
)


def recorded(names: Iterable[str]) -> str:
    """Return the SQL that records migrations, as a word of a shell, whatever a repository calls its files."""
    rows = [f"({', '.join(map(literal, name.split('.', 1)))}, now())" for name in names]
    text = RECORD.format(", ".join(rows))
    return f'"{text}"' if PLAIN.fullmatch(text) else shlex.quote(text)


class Check:
    """One check of one release, and what came of it."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Take the module's parameters."""
        self.params = params
        self.place = Place(params["root"], params["release_id"])
        self.found: dict[str, Any] = {
            "pending": [], "unrecorded": [], "applied": [], "known": [], "orphans": [], "looked": [], "tables": {},
            "made": [], "catalogue": {}, "strangers": {}, "facts": {}, "squashed": {},
        }  # fmt: skip
        #: Of a release that goes back: what it needs and has not, and what it does not know and would have to fill
        self.misfits: list[str] = []
        #: What migrations would make and is there, by migration
        self.already: dict[str, list[str]] = {}

    @property
    def before(self) -> str:
        """Return the release that serves, where that is another one and was built: what migrations could disturb."""
        current = self.place.current
        return "" if current in (self.place.id, LIVE_CODE) or self.place.live_folder else current

    def run(self) -> None:
        """Ask the release itself; raises HostError for what is wrong with it."""
        if not self.params["dry"]:
            writable.ready(self.place, self.params)
        served, no_parser = None, None
        if self.before:
            served = self.tables_of(self.before)
            try:
                sql_parser.install(self.params)
            except HostError as error:
                no_parser = error
        look = served is not None and bool(sql_parser.present(self.params))
        self.found = ask(self.place, self.params, "check.check", {"look": look})
        if no_parser and self.found["pending"] and not self.params["allow_breaking"]:
            raise no_parser
        simulation = self.look(served or {})
        if look and self.stranger_migrations() and not simulation.unsure:
            self.misfits = self.misfits_of(served or {}, simulation)
        self.remember()

    def look(self, served: Mapping[str, Sequence[str]]) -> Simulation:
        """Judge the statements of what is due by what serves; returns what the database has afterwards."""
        facts = Facts(served, many=MANY_ROWS, **self.found["facts"]) if self.found["facts"] else None
        looked, simulation = self.found["looked"], Simulation(self.found["catalogue"])
        read = iter(sql_parser.read(self.place, self.params, [text for one in looked for text in one["texts"] or []]))
        for one in looked:
            texts = one["texts"]
            actions = [action for _text in texts or [] for action in next(read)]
            verdict = judge(actions, facts) if facts else Verdict()
            if texts is None and one["removes"]:
                verdict.breaking = [UNKNOWN]
            simulation.unsure = simulation.unsure or texts is None or any("CANNOT BE" in text for text in texts)
            conflicts = simulation.run(actions)
            if conflicts and not simulation.unsure:
                self.already[one["migration"]] = conflicts
            one |= {"sql": shown(texts), "breaking": verdict.breaking, "slow": verdict.slow}
            one["unknown"] = verdict.unknown
        return simulation

    def misfits_of(self, served: Mapping[str, Sequence[str]], simulation: Simulation) -> list[str]:
        """Return why a release that knows less than the database cannot live with it, and what serves can."""
        uses = {table: self.found["tables"][table] for table in self.found["made"]}
        found = []
        for table, column, why in misfits(uses, simulation.after):
            known = column in served.get(table, []) if column else table in served
            # What serves does without it, too, or fills it: only what is different for this release is new.
            if known == (why == "unfilled"):
                found.append(f"{table}{'.' if column else ''}{column} {REASONS[why]}")
        return found

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
        kept = {name: self.found[name] for name in KEPT}
        # Where an earlier release is deployed again, what the later one has brought is no more its own than before.
        kept["newer"] = self.stranger_migrations()
        # What a squashed migration stands for is known yet when its `replaces` is gone, and the release that had it.
        served = read_json(Place(self.params["root"], self.before).path("database.json")) if self.before else None
        kept["squashed"] = {**(served or {}).get("squashed", {}), **kept["squashed"]}
        write_atomic(path, json.dumps(kept) + "\n")

    @property
    def breaking(self) -> list[dict[str, str]]:
        """Return the migrations that what serves cannot live with, or would wait for, each with the reason."""
        rows = [(one["migration"], why) for one in self.found["looked"] for why in [*one["breaking"], *one["slow"]]]
        return [{"migration": name, "why": why} for name, why in rows]

    def refuse(self) -> None:
        """Raise a HostError for what would fail and, unless the run allows it, for what would disturb what serves."""
        self.refuse_what_fails()
        if self.params["allow_breaking"]:
            return
        self.refuse_misfits()
        if not self.breaking:
            return
        lines = [f"  {one['migration']}: {one['why']}" for one in self.breaking]
        closing = [why for one in self.found["looked"] for why in one["breaking"]]
        what = "cannot live with" if closing else "would wait long for"
        unfilled = all(why.endswith(UNFILLED.partition("{column}")[2]) for why in closing)
        raise HostError(
            f"Release {self.before}, which serves, {what} these migrations of release {self.place.id}:\n"
            + "\n".join(lines),
            WAYS_OUT_SLOW if not closing else WAYS_OUT_UNFILLED if unfilled else WAYS_OUT,
        )

    def refuse_what_fails(self) -> None:
        """Raise a HostError for migrations that cannot run."""
        strangers = self.found["strangers"]
        owners = {table: strangers[table] for table in sorted(strangers) if table in self.found["tables"]}
        if owners:
            lines = [f"{table} to {role}" for table, (role, *_) in owners.items()]
            left = [(database, sql) for _role, taken, database, sql in owners.values() if not taken]
            way = f"{self.command('provision', '')} gives them to the database's owner"
            if left:
                database, sql = shlex.quote(left[0][0]), shlex.quote(" ".join(one for _, one in left))
                typed = f"sudo -u postgres psql -d {database} -c {sql}"
                way = f"Where they are this application's, on the database's machine: `{typed}`"
            raise HostError(
                f"Migrations are due, and tables belong to another role than the database: {few(lines)}.",
                f"Tables of a dump do that somebody else has loaded. {way}; then deploy again.",
            )
        if self.already:
            lines = [f"  {name}: {text}" for name, texts in self.already.items() for text in texts]
            # Not `migrate --fake`: what serves does not know them, and this release cannot be asked yet.
            by_hand = ALREADY.format(recorded(self.already), self.command("dbshell", "--as owner").strip("`"))
            raise HostError("Migrations would make what the database has already:\n" + "\n".join(lines), by_hand)

    def refuse_misfits(self) -> None:
        """Raise a HostError where an earlier release cannot live with the newer database."""
        if not self.misfits:
            return
        kept = self.place.id in good_releases(read_ledger())
        back = self.command("rollback", f"--to {self.place.id}")
        way = f"{back} goes back with the database" if kept else "It has not served here, so no rollback leads to it"
        raise HostError(
            f"Release {self.place.id} is older than the database, which has had {few(self.stranger_migrations())}, and "
            "cannot live with it:\n" + "\n".join(f"  {text}" for text in self.misfits),
            f"{way}. To deploy it all the same: `--allow-breaking`",
        )

    def command(self, verb: str, more: str) -> str:
        """Return a command of ours for the environment of this run."""
        environment = self.params["run"].get("environment", "")
        return f"`./samestack {' '.join(filter(None, (verb, environment, more)))}`"

    def say(self) -> list[str]:
        """Return what people want to know."""
        lines = []
        if self.missing():
            lines.append(f"The settings ask for {', '.join(self.missing())}, which nothing sets")
        if self.found["pending"]:
            lines.append(f"Migrations due: {few(self.found['pending'])}")
        for one in self.found["looked"]:
            lines += [f"  {one['migration']}", *(f"    {text}" for text in one["sql"])]
            lines += [f"    {CANNOT_TELL}: {text}" for text in one["unknown"]]
        if self.found["unrecorded"]:
            lines.append(f"To be recorded, since all that they stand for has run: {few(self.found['unrecorded'])}")
        if self.found.get("others"):
            lines.append(left_alone(self.found["others"], "migrated, kept in restore points and taken back"))
        strange = self.stranger_migrations()
        if strange:
            lines.append(
                f"The database has had migrations that this release does not know, and they stay: {few(strange)}"
            )
        return lines

    def stranger_migrations(self) -> list[str]:
        """Return applied migrations that this release does not know and that are no relics from before the last one."""
        place = Place(self.params["root"], self.before)
        relics = (read_json(place.path("database.json")) or {}) if self.before else {}
        known = set(relics.get("known", []))
        old = {name for name in relics.get("applied", self.found["orphans"]) if name not in known}
        return [name for name in self.found["orphans"] if name not in old]


def shown(texts: Iterable[str] | None) -> list[str]:
    """Return a migration's SQL, short enough to read."""
    if texts is None:
        return ["-- its SQL cannot be told before it runs"]
    lines = [" ".join(text.split()) for text in texts if not text.startswith("--") or "CANNOT BE" in text]
    short = [line if len(line) <= SHOWN_LENGTH else line[: SHOWN_LENGTH - 2] + " …" for line in lines]
    rest = len(short) - SHOWN_STATEMENTS
    return short[:SHOWN_STATEMENTS] + ([f"-- and {rest} more"] if rest > 0 else [])


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
    raise HostError(message, advice(place, account, f"{output}\n{why}"))


def missing_names(place: Place, env_file: str, required: Mapping[str, bool]) -> list[str]:
    """Return the environment variables that are required and set neither for the application nor for the release."""
    given = environment_file_names(env_file)
    given |= environment_file_names(place.path("release.env"))
    return [name for name, needed in required.items() if needed and name not in given]


def advice(place: Place, account: Mapping[str, Any], why: str) -> str:
    """Return what to do about it: name the environment variables that the settings need and have not."""
    named = missing_name(why)
    missing = missing_names(place, account["env_file"], {named: True}) if named else []
    if named:
        missing += missing_names(place, account["env_file"], (place.finished or {}).get("environment", {}))
    if missing:
        names = ", ".join(dict.fromkeys(missing))
        return f"Set {names} in app_env or app_secret_env (in {DECISIONS_FILE}): `./samestack provision`, deploy again."
    # What SQLite says is not of the application's database: that is PostgreSQL.
    if "OperationalError" in why and "sqlite3." not in why:
        return NO_ANSWER
    return causes.advice(why) or causes.of_import(why) or causes.PROJECT
