"""Laws of a rollback, over histories that Hypothesis makes up: real Django projects on a real PostgreSQL.

Whatever a project's migrations went through: a rollback is refused and changes nothing, or the earlier release has all
that it uses, with the rows that were there; and no table with rows in it went that nobody has named.
"""

from __future__ import annotations

import itertools
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from plugins.module_utils.common.errors import HostError
from tests.support import kept_releases
from tests.support.kept_releases import KeptReleases, migration, models
from tests.support.local_postgresql import postgresql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = '("id", models.BigAutoField(primary_key=True))'
NUMBER = "models.IntegerField(null=True)"
TITLE = 'title = models.CharField(max_length=20, default="")'
PRUNE = "DELETE FROM django_migrations WHERE app = 'board' AND name NOT IN ({})"
RECORD = "INSERT INTO django_migrations (app, name, applied) VALUES ('board', '{}', now())"
ROWS = 'SELECT count(*) FROM "{}"'
COUNT = itertools.count()


@dataclass
class Step:
    """One migration's file."""

    name: str
    operations: list[str]
    after: list[str]
    replaces: list[str] = field(default_factory=list)


@dataclass
class Project:
    """A project's models, and the files of its migrations."""

    numbers: list[str] = field(default_factory=list)
    more: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    #: What a step does to the database by hand when its release is deployed
    sql: str = ""
    count: int = 0

    def name(self, kind: str) -> str:
        self.count += 1
        return f"board.{self.count:04}_{kind}"

    @property
    def leaf(self) -> list[str]:
        return [self.steps[-1].name] if self.steps else []

    def whole(self) -> list[str]:
        """The operations that make everything at once, as those of a squash."""
        fields = ["title = " + TITLE.partition(" = ")[2], *(f"{one} = {NUMBER}" for one in self.numbers)]
        listed = ", ".join(f'("{one.partition(" = ")[0]}", {one.partition(" = ")[2]})' for one in fields)
        return [
            f'migrations.CreateModel("Note", [{KEY}, {listed}])',
            *(f'migrations.CreateModel("{one}", [{KEY}])' for one in self.more),
        ]

    def write(self, folder: Path) -> None:
        """Write the project as it is now."""
        shutil.rmtree(folder, ignore_errors=True)
        kept_releases.settings(folder, ["board"])
        lines = [TITLE, *(f"{one} = {NUMBER}" for one in self.numbers)]
        text = "class Note(models.Model):\n" + "".join(f"    {line}\n" for line in lines)
        models(folder, "board", text + "".join(f"\n\nclass {one}(models.Model):\n    pass\n" for one in self.more))
        for step in self.steps:
            migration(folder, step.name, step.operations, *step.after, replaces=step.replaces)


def begin(project: Project) -> None:
    project.steps.append(Step(project.name("initial"), project.whole(), []))


def add_column(project: Project) -> None:
    number = f"n{project.count}"
    add = f'migrations.AddField("note", "{number}", {NUMBER})'
    project.steps.append(Step(project.name("column"), [add], project.leaf))
    project.numbers.append(number)


def add_table(project: Project) -> None:
    table = f"T{project.count}"
    project.steps.append(Step(project.name("table"), [f'migrations.CreateModel("{table}", [{KEY}])'], project.leaf))
    project.more.append(table)
    project.sql = f"INSERT INTO board_{table.lower()} DEFAULT VALUES"


def merge(project: Project) -> None:
    """Two branches, and what brings them together."""
    base, sides = project.leaf, []
    for side in ("left", "right"):
        number = f"n{project.count}"
        add = f'migrations.AddField("note", "{number}", {NUMBER})'
        project.steps.append(Step(project.name(side), [add], base))
        sides.append(project.leaf[0])
        project.numbers.append(number)
    project.steps.append(Step(project.name("merge"), [], sides))


def rename(project: Project) -> None:
    """A column gets another name in the state alone, and by SQL in the database."""
    if not project.numbers:
        return add_column(project)
    old, new = project.numbers[-1], f"r{project.count}"
    turns = [f'"ALTER TABLE board_note RENAME {a} TO {b}"' for a, b in ((old, new), (new, old))]
    state = f'migrations.RenameField("note", "{old}", "{new}")'
    both = f"migrations.SeparateDatabaseAndState([migrations.RunSQL({', '.join(turns)})], [{state}])"
    project.steps.append(Step(project.name("rename"), [both], project.leaf))
    project.numbers[-1] = new
    return None


def squash(project: Project) -> None:
    """All files so far get one that stands for them; one that does so already is cleaned up first, as Django asks."""
    if any(step.replaces for step in project.steps):
        return clean(project)
    replaced = [step.name for step in project.steps]
    project.steps.append(Step(project.name("squashed"), project.whole(), [], replaced))
    return None


def clean(project: Project) -> None:
    """The files that a squash stands for go, and its `replaces`."""
    for step in [one for one in project.steps if one.replaces]:
        gone, step.replaces = set(step.replaces), []
        project.steps = [one for one in project.steps if one.name not in gone]


def prune(project: Project) -> None:
    """`migrate --prune`: the names of files that are gone go, too."""
    clean(project)
    project.sql = PRUNE.format(", ".join(f"'{step.name.partition('.')[2]}'" for step in project.steps))


def make_anew(project: Project) -> None:
    """All files go, and one comes that makes everything; it is recorded by hand."""
    project.steps = [Step(project.name("anew"), project.whole(), [])]
    project.sql = RECORD.format(project.steps[0].name.partition(".")[2])


#: What is done to the database before the release is checked; else it is done after it has been deployed
BEFORE = (make_anew,)
CHANGES: list[Callable[[Project], None]] = [add_column, add_table, merge, rename, squash, clean, prune, make_anew]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgresql() as socket:
        yield socket


class Site:
    """An application that lives through a history."""

    def __init__(self, folder: Path, server: str, patch: pytest.MonkeyPatch) -> None:
        database = f"laws{next(COUNT)}"
        KeptReleases(folder, server, "postgres").sql(f"CREATE DATABASE {database}")
        self.folder = folder / database
        self.folder.mkdir()
        self.app = KeptReleases(self.folder, server, database)
        self.app.instead_of_systemd(patch)
        self.project = Project()
        self.releases: list[str] = []

    def deploy(self, *changes: Callable[[Project], None]) -> None:
        """Deploy what the changes make of the project."""
        release = f"r{len(self.releases)}"
        statements = []
        for change in changes:
            self.project.sql = ""
            change(self.project)
            if change in BEFORE:
                self.app.sql(self.project.sql)
            elif self.project.sql:
                statements.append(self.project.sql)
        self.project.write(self.folder / "source")
        self.app.deploy(release, self.folder / "source", allow_breaking=True)
        for statement in statements:
            self.app.sql(statement)
        self.releases.append(release)

    def state(self) -> dict[str, Any]:
        """Every table's columns and rows."""
        found: dict[str, Any] = {}
        columns = """SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'
            ORDER BY 1, 2"""
        for table, column in self.app.sql(columns):
            found.setdefault(table, {"columns": []})["columns"].append(column)
        for table, one in found.items():
            one["rows"] = self.app.sql(ROWS.format(table))[0][0]
        return found


@given(
    history=st.lists(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=2, unique=True), min_size=1, max_size=4),
    back=st.integers(min_value=1, max_value=4),
)
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_rollback_is_refused_or_leaves_all_that_the_earlier_release_uses(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch, history: list[list[Any]], back: int
) -> None:
    with monkeypatch.context() as patch:
        site = Site(tmp_path, server, patch)
        site.deploy(begin)
        site.app.sql("INSERT INTO board_note (title) VALUES ('kept')")
        note([[change.__name__ for change in changes] for changes in history])
        try:
            for changes in history:
                site.deploy(*changes)
        except HostError as refused:
            # Such as a squash whose `replaces` is gone before any release had it: what serves goes on.
            note(f"refused: {refused}")
        go_back(site, site.releases[max(len(site.releases) - 1 - back, 0)])


def go_back(site: Site, target: str) -> None:
    """Roll back, and see that the laws hold."""
    before, named = site.state(), []
    try:
        site.app.rollback(target)
    except HostError as refused:
        note(f"refused: {refused}")
        assert site.state() == before
        named = re.findall(r"^ +(\w+): \d+ rows?", str(refused), re.MULTILINE)
        if not named:
            return
        site.app.rollback(target, *named)
    after, knew = site.state(), site.app.release(target)
    for table in knew["made"]:
        assert set(knew["tables"][table]) <= set(after[table]["columns"])
    assert site.app.sql("SELECT title FROM board_note") == [("kept",)]
    assert {table for table, one in before.items() if one["rows"] and table not in after} <= set(named)
