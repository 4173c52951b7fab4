"""Folders that the application writes to: what may be one, where its link leads, and what builds leave out."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plugins.filter.postgresql import EXTENSION_PACKAGES, extension_packages
from plugins.filter.systemd import folders_above, home_variables
from plugins.module_utils.release import application, causes, writable
from plugins.module_utils.release.files import contents
from plugins.plugin_utils.errors import DecisionError
from plugins.plugin_utils.inventory.formats import FORMATS
from plugins.plugin_utils.project.writable import check_writable, code_in


@pytest.mark.parametrize("path", ["data", "var/logs", ".cache", "web/my-data_2"])
def test_folders_that_can_be_written_to(tmp_path: Path, path: str) -> None:
    assert FORMATS["writable_folder"].parse(path) == path
    check_writable(tmp_path, [path, "other"], "")
    (tmp_path / path).mkdir(parents=True)
    check_writable(tmp_path, ["other", path], "web")


@pytest.mark.parametrize("path", ["", ".", "..", "/data", "data/", "a/../b", "./a", "a//b", "a b", "a%b", "a:b"])
def test_what_is_no_such_folder(path: str) -> None:
    with pytest.raises(ValueError, match="is not a folder inside the source"):
        FORMATS["writable_folder"].parse(path)


@pytest.mark.parametrize(
    ("paths", "directory", "why"),
    [
        (["file"], "", "file is a file in the source"),
        (["file/below"], "", "file is a file in the source"),
        (["away/data"], "", "away is a link in the source"),
        (["web"], "web", "it has manage.py"),
        (["src"], "src/web", "it has manage.py"),
        (["data/sub", "data"], "", "data has it already"),
        (["data", "data"], "", "data has it already"),
    ],
)  # fmt: skip
def test_folders_that_cannot(tmp_path: Path, paths: list[str], directory: str, why: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "away").symlink_to("/etc")
    with pytest.raises(DecisionError, match=why):
        check_writable(tmp_path, paths, directory)


def test_code_in_them_is_said(tmp_path: Path) -> None:
    for name in ("data/deep", "plugins/deep"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "plugins/deep/x.py").write_text("")
    assert code_in(tmp_path, ["data", "plugins", "missing"]) == ["plugins"]


@pytest.mark.parametrize("path", ["data", "var/logs", "a/b/c"])
def test_the_link_of_a_release_leads_to_the_folder_beside_all(tmp_path: Path, path: str) -> None:
    link = tmp_path / "releases" / "0a1b2c3d4e5f" / "source" / path
    link.parent.mkdir(parents=True)
    target = contents.kept_outside(f"source/{path}")
    link.symlink_to(target)
    assert Path(os.path.realpath(link)) == (tmp_path / "shared" / "paths" / path).resolve()
    # Of all that leads out of a release, this alone is let through, and from this place.
    assert contents.stays_inside(f"source/{path}", target)
    assert not contents.stays_inside(f"static/{path}", target)
    assert not contents.stays_inside(f"source/{path}", target + "/../media")
    assert not contents.stays_inside("source/else", contents.kept_outside("source/data"))


class Builder:
    """What a build is for these steps, which run here as who runs the tests."""

    def __init__(self, folder: Path, paths: list[str], media: str) -> None:
        self.folder = folder
        self.writable_paths, self.media = paths, media
        self.committed: set[str] = set()
        self.place: Any = SimpleNamespace(folder=str(folder), path=lambda name: str(folder / name))
        self.sandbox: Any = SimpleNamespace(path=lambda name: str(folder / name))

    def attempt(self, command: list[str], cwd: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)

    def failure(self, what: str, output: str) -> Exception:
        return AssertionError(f"{what}: {output}")


def test_a_build_keeps_what_is_committed_and_leaves_out_what_it_logs(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for path, text in {"data/seed.txt": "s", "kept.log": "committed", "own dir/a.py": ""}.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(text)
    builder: Any = Builder(tmp_path, ["data", "var/logs"], "up/media")
    writable.take_initial(builder)
    for path in ("data/made", "var/logs/app.log", "debug.log", "own dir/it's.log", "made.txt"):
        (source / path).write_text("by the build")
    writable.lead_outside(builder)
    left = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file() or path.is_symlink()}
    assert os.readlink(source / "up/media") == "../../../../shared/media"
    assert contents.stays_inside("source/up/media", os.readlink(source / "up/media"))
    assert left == {"data", "var/logs", "up/media", "kept.log", "own dir/a.py", "made.txt"}
    assert os.readlink(source / "data") == contents.kept_outside("source/data")
    assert {path.name for path in (tmp_path / "initial").rglob("*")} == {"data", "var", "seed.txt", "logs"}


@pytest.mark.parametrize(
    ("said", "folder"),
    [
        ("OSError: [Errno 30] Read-only file system: '/srv/x/releases/0a1b/source/logs/app.log'", "logs"),
        ("PermissionError: [Errno 13] Permission denied: '/srv/x/releases/0a1b/source/web/var/a.db'", "web/var"),
        ("EROFS: read-only file system, open '/srv/x/releases/0a1b/source/index/1'", "index"),
    ],
)  # fmt: skip
def test_who_writes_into_a_release_is_told_where_it_may(said: str, folder: str) -> None:
    assert causes.advice(f"Traceback\n{said}\n").startswith(f"Set app_writable_paths: [{folder}] ")


def test_a_file_at_the_top_has_no_folder_to_name() -> None:
    said = "OSError: [Errno 30] Read-only file system: '/srv/x/releases/0a1b/source/debug.log'"
    assert "debug.log into the folder that the environment has in APP_DATA_PATH" in causes.advice(said)


def test_programs_find_their_folders_below_home() -> None:
    assert home_variables("/d") == {
        "HOME": "/d", "XDG_CACHE_HOME": "/d/.cache", "XDG_CONFIG_HOME": "/d/.config",
        "XDG_DATA_HOME": "/d/.local/share", "XDG_STATE_HOME": "/d/.local/state",
    }  # fmt: skip


def test_folders_above() -> None:
    assert folders_above(["data", "a/b/c", "a/d"]) == ["a", "a/b"]


@pytest.mark.parametrize(
    ("names", "packages"),
    [
        (["postgis", "postgis_topology"], ["postgresql-17-postgis-3"]),
        (["pgrouting"], ["postgresql-17-pgrouting", "postgresql-17-postgis-3"]),
        (["vector", "plpython3u"], ["postgresql-17-pgvector", "postgresql-plpython3-17"]),
        (["unaccent", "pg_trgm", "hstore", "nobody-knows"], []),
    ],
)
def test_extensions_bring_their_packages(names: list[str], packages: list[str]) -> None:
    there = {"packages": {"postgresql": "17.278"}, "candidates": {"postgresql": "18.1"}}
    assert extension_packages(names, there) == packages
    fresh = {"packages": {}, "candidates": {"postgresql": "17+278"}}
    assert extension_packages(names, fresh) == packages
    brought = [one for names in EXTENSION_PACKAGES.values() for one in names]
    assert len(brought) == len(set(brought))


def test_what_confines_a_command_may_name_a_folder_in_anybodys_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = 'TemporaryFileSystem="/srv/live/Müller & Söhne/.samestack:ro"'
    (tmp_path / "shop").write_text(f"# why: ü\n{line}\n", encoding="utf-8")
    monkeypatch.setattr(application, "SANDBOX", f"{tmp_path}/{{}}")
    assert application.sandbox("shop") == [line]
    assert application.sandbox("other") == []
