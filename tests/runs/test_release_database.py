"""What a release does to its database and how that is taken back: in a real Django project, and what is decided."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.common.errors import HostError as Error
from plugins.module_utils.common.text import few, short_traceback
from plugins.module_utils.inside_app.reverse import surplus
from plugins.module_utils.release.database import check as release_check_steps
from plugins.module_utils.release.database import restore_points, rollback_choice, rollback_plan
from plugins.module_utils.release.database.statements import UNFILLED
from plugins.module_utils.release.inside import inside_answer, inside_source
from tests.support import versions

QUICK: dict[str, Any] = {"lock_timeout": 1, "patience": 1, "name": "test"}
TARGET: dict[str, Any] = {"names": None, "accepted": [], "left": [], "squashed": {}}
#: Nothing that a reversal may not touch
FREE: dict[str, Any] = {**QUICK, "uses": {}, "confirmed": [], "forget": []}


class Shop:
    """A Django project with two apps, the second resting on the first, on SQLite."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.newest, self.sales = "stock.0002_number", "sales.0001_initial"

    def make(self) -> None:
        """Write it, as startproject does, with the apps."""
        folder = self.folder
        folder.mkdir()
        subprocess.run([sys.executable, "-m", "django", "startproject", "shop", str(folder)], check=True)
        for name in ("stock", "sales"):
            (folder / name / "migrations").mkdir(parents=True)
            for init in (folder / name / "__init__.py", folder / name / "migrations" / "__init__.py"):
                init.write_text("", encoding="utf-8")
        versions.replace(folder, "shop/settings.py", "INSTALLED_APPS = [", "INSTALLED_APPS = [\n    'stock', 'sales',")
        key = '("id", models.BigAutoField(primary_key=True, serialize=False))'
        versions.migration(folder, "initial", f'migrations.CreateModel("Item", [{key}])', app="stock")
        number = 'migrations.AddField("item", "number", models.IntegerField(default=1))'
        assert versions.migration(folder, "number", number, app="stock") == self.newest
        item = '("item", models.ForeignKey("stock.Item", on_delete=models.CASCADE))'
        sale = f'migrations.CreateModel("Sale", [{key}, {item}])'
        assert versions.migration(folder, "initial", sale, app="sales", after=self.newest) == self.sales

    def ask(self, call: str, **given: object) -> tuple[dict[str, Any], subprocess.CompletedProcess[str]]:
        """Run one of our programs in the project, as on a host."""
        program = inside_source(call, given)
        done = subprocess.run(
            [sys.executable, "-"], cwd=self.folder, env={"PATH": os.environ["PATH"]}, input=program,
            text=True, capture_output=True, check=False,
        )  # fmt: skip
        return inside_answer(done.stdout) or {}, done


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shop = Shop(tmp_path_factory.mktemp("made") / "project")
    shop.make()
    return shop.folder


@pytest.fixture
def shop(made: Path, tmp_path: Path) -> Shop:
    return Shop(Path(shutil.copytree(made, tmp_path / "project")))


@pytest.fixture(scope="module")
def made_and_migrated(made: Path) -> Path:
    shop = Shop(Path(shutil.copytree(made, made.with_name("migrated"))))
    shop.ask("migrate.migrate", **QUICK)
    return shop.folder


@pytest.fixture
def migrated(made_and_migrated: Path, tmp_path: Path) -> Shop:
    return Shop(Path(shutil.copytree(made_and_migrated, tmp_path / "project")))


def test_a_check_tells_what_is_due_and_what_the_models_use(shop: Shop) -> None:
    answer, done = shop.ask("check.check", look=False)
    assert done.returncode == 0, done.stderr
    assert answer["pending"].index("stock.0002_number") < answer["pending"].index("sales.0001_initial")
    assert answer["applied"] == answer["orphans"] == answer["looked"] == []
    assert "contenttypes.0001_initial" in answer["known"]
    assert "username" in answer["tables"]["auth_user"]


def test_two_newest_migrations_are_refused_before_they_run(shop: Shop) -> None:
    source = (shop.folder / "stock/migrations/0002_number.py").read_text()
    (shop.folder / "stock/migrations/0002_other.py").write_text(source.replace('"number"', '"other"'))
    answer, done = shop.ask("check.check", look=False)
    assert not answer
    assert "0002_number, 0002_other in stock" in done.stderr
    assert "makemigrations --merge" in done.stderr


def test_settings_that_do_not_import_give_their_own_traceback(shop: Shop) -> None:
    (shop.folder / "shop/settings.py").write_text("import nosuchmodule\n")
    _answer, done = shop.ask("check.check", look=False)
    assert done.returncode
    assert short_traceback(done.stderr, str(shop.folder)).endswith(
        "shop/settings.py:1: import nosuchmodule\nModuleNotFoundError: No module named 'nosuchmodule'"
    )


def test_what_ran_is_told_also_when_a_later_one_failed(shop: Shop) -> None:
    code = 'def stop(apps, schema_editor):\n    raise ValueError("on purpose")'
    versions.migration(shop.folder, "fails", "migrations.RunPython(stop)", app="sales", code=code)
    answer, done = shop.ask("migrate.migrate", **QUICK)
    assert done.returncode
    assert "ValueError: on purpose" in done.stderr
    assert {shop.newest, shop.sales} <= set(answer["ran"])
    assert "sales.0002_fails" not in answer["ran"]


def test_migrations_are_reversed_across_apps_in_the_right_order(migrated: Shop) -> None:
    known = [
        name for name in migrated.ask("check.describe")[0]["known"] if name not in (migrated.newest, migrated.sales)
    ]
    plan, done = migrated.ask("reverse.plan", **TARGET, known=known)
    assert plan["order"] == [migrated.sales, migrated.newest], done.stderr
    assert plan["rests"] == {migrated.sales: [], migrated.newest: [migrated.sales]}
    assert [one["obstacles"] for one in plan["details"]] == [[], []]
    answer, done = migrated.ask("migrate.reverse", **FREE, names=plan["order"])
    assert done.returncode == 0, done.stderr
    assert set(answer["reversed"]) == {migrated.newest, migrated.sales}
    assert migrated.newest not in migrated.ask("check.describe")[0]["applied"]


def test_what_rests_on_a_migration_is_named(migrated: Shop) -> None:
    plan, _done = migrated.ask("reverse.plan", **{**TARGET, "names": [migrated.newest]}, known=[])
    assert plan["rests"] == {migrated.newest: [migrated.sales]}


def test_what_was_reversed_is_told_also_when_another_failed(migrated: Shop) -> None:
    code = 'def stop(apps, schema_editor):\n    raise ValueError("no way back")'
    reverse = "migrations.RunPython(migrations.RunPython.noop, stop)"
    first = versions.migration(migrated.folder, "oneway", reverse, app="stock", code=code)
    second = versions.migration(
        migrated.folder, "more", 'migrations.AddField("item", "more", models.IntegerField(null=True))', app="stock"
    )
    migrated.ask("migrate.migrate", **QUICK)
    answer, done = migrated.ask("migrate.reverse", **FREE, names=[second, first])
    assert done.returncode
    assert answer["reversed"] == [second]


def test_what_cannot_be_reversed_is_known_before(migrated: Shop) -> None:
    code = "def change(apps, schema_editor):\n    pass"
    python = versions.migration(migrated.folder, "python", "migrations.RunPython(change)", app="stock", code=code)
    sql = 'migrations.SeparateDatabaseAndState([migrations.RunSQL("SELECT 1")])'
    sql = versions.migration(migrated.folder, "sql", sql, app="stock")
    column = versions.migration(migrated.folder, "column", 'migrations.RemoveField("item", "number")', app="stock")
    field = 'migrations.AddField("item", "code", models.CharField(max_length=3), preserve_default=False)'
    bare = versions.migration(
        migrated.folder, "bare", field.replace("max_length=3", 'max_length=3, default=""'), app="stock"
    )
    dropped = versions.migration(migrated.folder, "drop", 'migrations.RemoveField("item", "code")', app="stock")
    migrated.ask("migrate.migrate", **QUICK)
    names = [python, sql, column, bare, dropped]
    plan, done = migrated.ask("reverse.plan", **{**TARGET, "names": names}, known=[])
    told = {one["migration"]: one for one in plan["details"]}
    assert plan["order"] == names[::-1], done.stderr
    assert told[python]["obstacles"] == ["its RunPython has no way back"]
    assert told[sql]["obstacles"] == ["its RunSQL has no way back"]
    assert told[column]["obstacles"] == []
    assert told[column]["lost"] == ["item.number"]
    assert told[dropped]["obstacles"] == ["item.code would come back without a value for the rows that there are"]


GIVEN: dict[str, Any] = {"known": ["a.1", "a.2"], "accepted": [], "left": []}


@pytest.mark.parametrize(
    ("given", "squashed", "wanted"),
    [
        ({}, {}, ["a.3", "old.1"]),
        # What was applied when the target was deployed is somebody else's: never reversed …
        ({"accepted": ["old.1"]}, {}, ["a.3"]),
        # … but for what a failed deployment had left then.
        ({"accepted": ["old.1", "a.3"], "left": ["a.3"]}, {}, ["a.3"]),
        # A squashed migration is only another name for what the target knows, and so is one of squashed ones …
        ({}, {"a.3": ["a.1", "a.2"]}, ["old.1"]),
        ({}, {"a.3": ["a.s", "a.2"], "a.s": ["a.1"]}, ["old.1"]),
        # … unless something in it is new and has no record of its own.
        ({}, {"a.3": ["a.2", "a.9"]}, ["a.3", "old.1"]),
        ({}, {"a.3": ["a.2", "old.1"]}, ["old.1"]),
        # A part of what the target has squashed is not newer either.
        ({}, {"a.2": ["a.3"]}, ["old.1"]),
    ],
)
def test_what_a_rollback_takes_back(given: dict[str, Any], squashed: dict[str, list[str]], wanted: list[str]) -> None:
    assert surplus(["a.1", "a.2", "a.3", "old.1"], {**GIVEN, **given}, squashed) == wanted


def line(verb: str, release: str, result: str = "ok", **more: object) -> dict[str, Any]:
    return {"verb": verb, "release": release, "result": result, **more}


def test_the_way_to_the_live_release() -> None:
    deploys = [line("deploy", name) for name in "abc"]
    assert rollback_plan.history(deploys) == ["a", "b", "c"]
    assert rollback_plan.history([*deploys, line("deploy", "d", "failed")]) == ["a", "b", "c"]
    # Back twice does not lead forth, and what was left is no way back later.
    assert rollback_plan.history([*deploys, line("rollback", "b")]) == ["a", "b"]
    assert rollback_plan.history([*deploys, line("rollback", "a"), line("promote", "d")]) == ["a", "d"]
    assert rollback_plan.history([*deploys, line("deploy", "a")]) == ["b", "c", "a"]
    assert rollback_plan.history([*deploys, line("provision", ""), line("reverse", "b")]) == ["a", "b", "c"]


class Kept:
    """An application's folder with complete releases, the last one live, and a ledger."""

    def __init__(self, root: Path, *releases: str) -> None:
        self.root = root
        self.lines = [line("deploy", name) for name in releases]
        for name in releases:
            (root / "releases" / name).mkdir(parents=True)
            (root / "releases" / name / "release.json").write_text('{"id": "x"}')
        (root / "current").symlink_to(f"releases/{releases[-1]}")

    def target(self, wanted: str = "") -> str:
        params = {"root": str(self.root), "app": "shop", "release_id": wanted, "database": "reverse", "live_path": ""}
        reversal = rollback_plan.Reversal(params, self.lines)
        reversal.choose()
        return str(reversal.target.id)


def test_where_a_rollback_leads(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "a", "b", "c")
    assert kept.target() == "b"
    assert kept.target("a") == "a"
    kept.lines.append(line("deploy", "b", "failed", reason="it answers 500"))
    assert kept.target() == "a"
    with pytest.raises(Error, match="b has failed here, so nobody is sent back to it: it answers 500"):
        kept.target("b")
    with pytest.raises(Error, match=r"z \(--to\): this host has no such release") as raised:
        kept.target("z")
    assert raised.value.hint.startswith("To choose from: c, a.")
    for name in ("8d62fa25256d", "8dffffffffff"):
        kept_too = tmp_path / "releases" / name
        kept_too.mkdir()
        (kept_too / "release.json").write_text('{"id": "x"}')
        kept.lines.insert(0, line("deploy", name))
    # A second instance's name for it is no other release.
    (tmp_path / "releases/8d62fa25256d-2").symlink_to("8d62fa25256d")
    assert kept.target("8d6") == "8d62fa25256d"
    with pytest.raises(Error, match=r"8d \(--to\): several releases begin so"):
        kept.target("8d")
    with pytest.raises(Error, match="no such release") as raised:
        kept.target("8d62fa25256x")
    assert raised.value.hint.startswith("Did you mean 8d62fa25256d?")
    kept.lines = kept.lines[2:]
    (tmp_path / "releases/a/release.json").unlink()
    with pytest.raises(Error, match="a is not complete"):
        kept.target("a")
    with pytest.raises(Error, match="no earlier good release on this host: c is live, and no other served here"):
        kept.target()


def test_an_id_that_nothing_has_names_the_nearest_and_the_kept(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "8d62fa25256d", "0a1b2c3d4e5f")
    with pytest.raises(Error, match=r"8d62fa25265d \(--to\): this host has no such release") as raised:
        kept.target("8d62fa25265d")
    assert raised.value.hint.startswith("Did you mean 8d62fa25256d? To choose from: 0a1b2c3d4e5f, 8d62fa25256d."), (
        raised.value.hint
    )
    assert kept.target("8d62fa") == "8d62fa25256d"


def test_nothing_to_go_back_from(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "a", "live-code")
    with pytest.raises(Error, match="serves live code"):
        kept.target()
    (tmp_path / "current").unlink()
    with pytest.raises(Error, match="Nothing is live"):
        kept.target()


def test_what_failed_deployments_left() -> None:
    lines = [line("deploy", "a", migrations=["a.1"]), line("deploy", "b", "failed", migrations=["a.2"])]
    assert rollback_plan.left_behind(lines) == ["a.2"]
    assert rollback_plan.left_behind([*lines, line("deploy", "b")]) == []


PLAN: dict[str, Any] = {
    "target": "old", "live": "new", "names": ["a.3"], "surplus": ["a.3"], "blocked": [], "lost": [], "breaking": [],
    "stays": [], "drops": [], "confirmed": [],
}  # fmt: skip
POINTS = [
    {"name": "p3", "age": 60, "migrations": ["a.1", "a.3"]},
    {"name": "p2", "age": 7_500, "migrations": ["a.1"]},
    {"name": "p1", "age": 200_000, "migrations": []},
]
BLOCKED = {**PLAN, "blocked": [{"migration": "a.3", "why": "its RunPython has no way back"}]}
BREAKING = {**PLAN, "breaking": [{"migration": "a.3", "why": "drops the column x.y"}]}


@pytest.mark.parametrize(
    ("plan", "database", "action", "closing"),
    [
        ({**PLAN, "names": [], "surplus": []}, "reverse", "nothing", False),
        (PLAN, "reverse", "reverse", False),
        (BREAKING, "reverse", "reverse", True),
        (BLOCKED, "keep", "keep", False),
        (BLOCKED, "restore", "restore", True),
    ],
)
def test_what_a_rollback_does(plan: dict[str, Any], database: str, action: str, closing: bool) -> None:
    decided = rollback_choice.decide(plan, database, True, POINTS)
    assert (decided["action"], decided["closing"]) == (action, closing)
    assert decided["point"] == ("p2" if action == "restore" else "")


def test_what_cannot_be_reversed_offers_both_ways() -> None:
    with pytest.raises(Error, match=r"a\.3: its RunPython has no way back\nNothing was touched") as raised:
        rollback_choice.decide(BLOCKED, "reverse", False, POINTS)
    assert "`--database keep`" in raised.value.hint
    assert "2 h 5 min old (p2)" in raised.value.hint
    with pytest.raises(Error) as raised:
        rollback_choice.decide(BLOCKED, "reverse", False, POINTS[:1])
    assert "There is no restore point from before" in raised.value.hint


def test_tables_with_rows_go_only_when_they_are_named() -> None:
    drops = [{"table": "shop_note", "rows": 1_234, "migration": "a.3"}, {"table": "tag", "rows": 1, "migration": "a.3"}]
    plan = {**PLAN, "drops": drops, "confirmed": ["tag"]}
    with pytest.raises(Error, match=r"\n  shop_note: 1,234 rows \(a\.3\)\nNothing was touched") as raised:
        rollback_choice.decide(plan, "reverse", True, POINTS)
    assert "`--confirm shop_note --confirm tag`; a restore point is taken first" in raised.value.hint
    decided = rollback_choice.decide({**plan, "confirmed": ["shop_note", "tag"]}, "reverse", False, POINTS)
    assert decided["pointed"]
    assert "  shop_note goes, with 1,234 rows" in decided["say"]
    assert "  tag goes, with 1 row" in decided["say"]
    assert not rollback_choice.decide(PLAN, "reverse", False, POINTS)["pointed"]


def test_what_is_applied_under_another_name_stays_and_is_said() -> None:
    decided = rollback_choice.decide({**PLAN, "names": [], "surplus": [], "stays": ["a.3"]}, "reverse", False, POINTS)
    assert decided["action"] == "nothing"
    assert decided["say"] == ["Applied under another name, release old uses what they made: a.3"]


def test_a_restore_says_what_is_lost_and_has_to_be_meant() -> None:
    with pytest.raises(Error, match=r"p2 is 2 h 5 min old\. Everything written in the last 2 h 5 min") as raised:
        rollback_choice.decide(PLAN, "restore", False, POINTS)
    assert "--database restore --confirm" in raised.value.hint
    with pytest.raises(Error, match=r"There is no restore point from before a\.3"):
        rollback_choice.decide(PLAN, "restore", True, POINTS[:1])


def checked(looked: list[dict[str, Any]], **more: object) -> release_check_steps.Check:
    params = {"root": "/nowhere", "release_id": "new", "env_file": "/nowhere", "environment": {}, "migrations": [],
              "run": {"environment": "staging"}}  # fmt: skip
    check = release_check_steps.Check({**params, "allow_breaking": False, "dry": True, **more})
    check.found["looked"] = looked
    return check


def test_breaking_migrations_are_refused_with_the_ways_out() -> None:
    one = {
        "migration": "a.3",
        "sql": ["DROP …"],
        "breaking": ["drops the column x.y"],
        "slow": ["builds an index on z"],
    }
    check = checked([one])
    with pytest.raises(Error, match=r"cannot live with.*\n  a\.3: drops the column x\.y\n  a\.3: builds") as raised:
        check.refuse()
    assert "--allow-breaking" in raised.value.hint
    check = checked([{**one, "breaking": []}])
    with pytest.raises(Error, match="would wait long for") as raised:
        check.refuse()
    assert "AddIndexConcurrently" in raised.value.hint
    unfilled = UNFILLED.format(table="x", column="y")
    for breaking, hint in (
        ([unfilled], "db_default"),
        ([unfilled, "drops the column x.y"], "take it away in the next"),
    ):
        with pytest.raises(Error, match="cannot live with") as raised:
            checked([{**one, "breaking": breaking}]).refuse()
        assert hint in raised.value.hint
    allowed = checked([one], allow_breaking=True)
    allowed.refuse()
    # A closed site is no help where a migration cannot run at all.
    allowed.already = {"a.3": ["makes the table x"]}
    with pytest.raises(Error, match=r"make what the database has already:\n  a\.3: makes the table x"):
        allowed.refuse()
    allowed.already, allowed.found["tables"] = {}, {"x": ["id"]}
    allowed.found["strangers"] = {"x": ("anna", True, "", [])}
    with pytest.raises(Error, match="x to anna"):
        allowed.refuse()
    checked([{**one, "breaking": [], "slow": []}]).refuse()


def test_ages_and_rows_of_names_are_short() -> None:
    assert [restore_points.age(number) for number in (5, 65, 3_700, 90_000, 200_000)] == [
        "5 s", "1 min", "1 h 1 min", "25 h 0 min", "2 days",
    ]  # fmt: skip
    assert few(["a", "b"]) == "a, b"
    assert few([str(number) for number in range(20)]) == "20 (0, 1 … 19)"


def test_what_only_a_superuser_restores_is_left_out() -> None:
    lines = [
        "; Archive created at 2026-11-28",
        "2; 3079 16385 EXTENSION - postgis ",
        "3; 0 0 COMMENT - EXTENSION postgis ",
        "215; 1259 16390 TABLE public board_notice shop",
        "216; 1259 16391 SEQUENCE public board_notice_id_seq shop",
        "3310; 0 16390 TABLE DATA public board_notice shop",
        "3311; 0 16391 SEQUENCE SET public board_notice_id_seq shop",
        "3312; 0 16400 TABLE DATA public spatial_ref_sys postgres",
        "4; 3466 16500 EVENT TRIGGER - planted postgres",
        "5; 826 16501 DEFAULT ACL - DEFAULT PRIVILEGES FOR TABLES shop_owner",
        "6; 826 16502 DEFAULT ACL - DEFAULT PRIVILEGES FOR TABLES somebody",
        "7; 6104 16503 PUBLICATION - everything postgres",
        "8; 6104 16504 PUBLICATION - notices shop",
    ]
    left_out = [line for line in lines if line not in restore_points.restorable(lines, ("shop_owner", "shop"))]
    assert left_out == [lines[index] for index in (2, 7, 8, 10, 11)]
