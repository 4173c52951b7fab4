"""Which releases stay on a host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from plugins.module_utils.common.ledger import Run
from plugins.module_utils.release.files.retention import prune, prune_built
from plugins.module_utils.release.place import Place


class Host:
    """An application's folder with releases, and a ledger."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "shop"
        self.run = Run({}, "shop", str(folder / "lib"), str(folder / "run"))
        self.days = 0

    def release(self, name: str, result: str = "ok", *migrations: str, vid: str = "v1", complete: bool = True) -> None:
        self.days += 1
        folder = self.root / "releases" / name
        folder.mkdir(parents=True)
        built = {"built": f"2026-01-{self.days:02}T00:00:00Z", "migrations": migrations}
        (folder / "build.json").write_text(json.dumps(built))
        if complete:
            (folder / "release.json").write_text('{"id": "x"}')
        venv = self.root / "venvs" / vid
        venv.mkdir(parents=True, exist_ok=True)
        venv.with_name(f"{vid}.contents").write_text("")
        (folder / "venv").symlink_to(f"../../venvs/{vid}")
        if result:
            self.record(name, result)

    def record(self, name: str, result: str) -> None:
        line = {"verb": "deploy", "app": "shop", "release": name, "result": result, "reason": "broken"}
        path = Path(self.run.folder) / "ledger.jsonl"
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as ledger:
            ledger.write(json.dumps({"time": f"2026-01-{self.days:02}T00:10:00Z", **line}) + "\n")

    def prune(self, live: str, keep: int, applied: list[str] | None = None) -> list[str]:
        current = self.root / "current"
        current.unlink(missing_ok=True)
        current.symlink_to(f"releases/{live}")
        if applied is not None:
            (self.root / "releases" / live / "database.json").write_text(json.dumps({"applied": applied}))
        return prune(Place(str(self.root), live), "shop", keep, self.run)

    def names(self, folder: str = "releases") -> list[str]:
        return sorted(path.name for path in (self.root / folder).iterdir())


def test_good_releases_stay_and_failed_ones_go(tmp_path: Path) -> None:
    host = Host(tmp_path)
    for name, result in (("a", "ok"), ("b", "ok"), ("c", "failed"), ("d", "ok"), ("e", "ok")):
        host.release(name, result)
    assert host.prune("e", 3, applied=[]) == ["a", "c"]
    assert host.names() == ["b", "d", "e"]


def test_the_live_release_stays_however_old_it_is(tmp_path: Path) -> None:
    host = Host(tmp_path)
    for name in "abcd":
        host.release(name)
    host.record("a", "ok")
    assert host.prune("a", 2, applied=[]) == ["b", "c"]
    assert host.prune("a", 1, applied=[]) == ["d"]


def test_rests_of_runs_that_were_cut_off_go(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.release("a")
    host.release("half", "", complete=False, vid="half")
    host.release("never", "")
    host.release("b")
    assert host.prune("b", 5, applied=[]) == ["half", "never", "venv-half"]


def test_what_was_live_before_there_was_a_ledger_stays(tmp_path: Path) -> None:
    host = Host(tmp_path)
    for name in "abc":
        host.release(name, "")
    host.release("d")
    assert host.prune("d", 3) == ["a"]


def test_the_code_of_applied_migrations_stays_once(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.release("a", "ok", "shop.1")
    host.release("b", "failed", "shop.1", "shop.2")
    host.release("c", "failed", "shop.1", "shop.2")
    host.release("e", "ok", "shop.1", "shop.3")
    host.release("d", "failed", "shop.1", "shop.9")
    # c has what b has, and nothing of d reached the database.
    assert host.prune("e", 5, applied=["shop.1", "shop.2", "shop.3"]) == ["b", "d"]


def test_a_replaced_migration_needs_no_old_release(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.release("a", "failed", "shop.1", "shop.2")
    host.release("b", "ok", "shop.1_squashed")
    build = tmp_path / "shop/releases/b/build.json"
    build.write_text(json.dumps({**json.loads(build.read_text()), "replaces": ["shop.1", "shop.2"]}))
    assert host.prune("b", 5, applied=["shop.1", "shop.2", "shop.1_squashed"]) == ["a"]


def test_without_a_look_at_the_database_the_newest_failed_release_stays(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.release("a", "failed", "shop.2")
    host.release("b", "failed", "shop.2")
    host.release("c")
    assert host.prune("c", 5) == ["a"]


def test_environments_go_with_their_last_release(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.release("a", "ok", vid="v1")
    host.release("b", "ok", vid="v2")
    host.release("c", "ok", vid="v2")
    (tmp_path / "shop/venvs/cut-off").mkdir()
    assert host.prune("c", 2, applied=[]) == ["a", "venv-cut-off", "venv-v1"]
    assert host.names("venvs") == ["v2", "v2.contents"]


def test_a_host_that_only_builds_keeps_the_newest(tmp_path: Path) -> None:
    host = Host(tmp_path)
    for name in "abcd":
        host.release(name, "", vid=f"v{name}")
    host.release("half", "", complete=False, vid="vd")
    place = Place(str(host.root), "d")
    assert prune_built(place, 2) == ["a", "b", "half", "venv-va", "venv-vb"]
    Path(place.current_link).symlink_to("releases/c")
    assert prune_built(place, 1) == []


def test_other_applications_of_the_machine_do_not_count(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.release("a")
    host.release("b")
    path = Path(host.run.folder) / "ledger.jsonl"
    line: dict[str, Any] = {"verb": "deploy", "app": "blog", "release": "b", "result": "failed"}
    path.write_text(path.read_text() + json.dumps(line) + "\n")
    assert host.prune("a", 5, applied=[]) == []
