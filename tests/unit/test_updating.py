"""What `samestack update` writes: everything or nothing, and what versions can be had. tests/runs types it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from box import pinning
from box.common import SetupError
from cli import updating
from cli.updating import Arrival, Way
from plugins.plugin_utils import files
from plugins.plugin_utils.inventory.migrations.project import Project
from plugins.plugin_utils.version import Version, version_in
from tests.unit.test_thin_project import commit, git

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = Version(1, 0, 0), Version(1, 1, 0)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(updating, "PROJECT", tmp_path)
    monkeypatch.setattr(updating, "STATE", tmp_path / ".samestack")
    return tmp_path


def arrival(project: Path, **texts: tuple[str, str]) -> Arrival:
    """What is to be written over what is there."""
    for name, (before, _after) in texts.items():
        (project / name).write_bytes(before.encode())
    return Arrival(Project({}), texts=dict(texts))


def way(project: Path) -> Way:
    return Way(None, "x", ONE, True, TWO, {}, project, project)


def test_all_is_written_and_modes_stay(project: Path) -> None:
    found = arrival(project, a=("1\r\n", "2\r\n"), b=("x", "y"))
    (project / "a").chmod(0o755)
    (project / "elsewhere").write_text("x")
    (project / "b").unlink()
    (project / "b").symlink_to("elsewhere")
    updating.write(way(project), found)
    assert (project / "a").read_bytes() == b"2\r\n"
    assert (project / "a").stat().st_mode & 0o777 == 0o755
    assert (project / "b").is_symlink()
    assert (project / "elsewhere").read_text() == "y"


def test_what_was_written_is_taken_back(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = arrival(project, a=("1", "2"), b=("x", "y"), c=("p", "q"))
    really, written = files.write_whole, []

    def full(path: Path, content: str, mode: int) -> None:
        if path.name == "c" and content == "q":
            raise OSError(28, "No space left on device")
        really(path, content, mode)
        written.append(path.name)

    monkeypatch.setattr(files, "write_whole", full)
    with pytest.raises(OSError, match="No space"):
        updating.write(way(project), found)
    assert written == ["a", "b", "a", "b"]
    assert [(project / name).read_text() for name in "abc"] == ["1", "x", "p"]


def test_a_second_patch_does_not_take_the_place_of_the_first(project: Path) -> None:
    first = updating.own_edits_file(ONE)
    assert first == project / ".samestack/own-edits-1.0.0.patch"
    first.parent.mkdir()
    first.touch()
    assert updating.own_edits_file(ONE).name == "own-edits-1.0.0-1.patch"


def test_what_somebody_has_added_to_an_engine_is_in_the_patch_too(repository: Path, tmp_path: Path) -> None:
    """As it is promised (docs/update.md), and can be applied; what is only made there is not."""
    commit(repository, **{".gitignore": "__pycache__\n"})
    git(repository, "tag", "there")
    added = {
        "roles/mine/a file é.yml": b"x: 1\n",
        "logo.png": bytes(range(256)),
        "galaxy.yml": b"version: 1.1.0-mine\n",
    }
    for name, content in added.items():
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_bytes(content)
    (repository / "link").symlink_to("galaxy.yml")
    (repository / ".venv").symlink_to(tmp_path)
    (repository / "__pycache__").mkdir()
    (repository / "__pycache__/x.pyc").touch()
    before = git(repository, "status", "--porcelain")
    patch = updating.edits_in(repository)
    assert git(repository, "status", "--porcelain") == before
    git(repository, "clean", "-fdq")
    git(repository, "reset", "-q", "--hard")
    (tmp_path / "patch").write_bytes(patch)
    git(repository, "apply", "--3way", str(tmp_path / "patch"))
    assert {name: (repository / name).read_bytes() for name in added} == added
    assert (repository / "link").is_symlink()
    assert b"pycache" not in patch
    assert b".venv" not in patch


def test_an_engine_that_nobody_has_changed_has_no_patch(repository: Path, tmp_path: Path) -> None:
    assert updating.edits_in(repository) == b""
    assert updating.edits_in(tmp_path / "nowhere") == b""


def test_what_a_samestack_calls_itself(tmp_path: Path) -> None:
    """A clone, and what ansible-galaxy has installed, which has no galaxy.yml."""
    assert version_in(tmp_path) == "0"
    (tmp_path / "galaxy.yml").write_text("name: core\nversion: 1.2.0\n")
    assert version_in(tmp_path) == "1.2.0"
    (tmp_path / "MANIFEST.json").write_text('{"collection_info": {"version": "1.3.0"}}')
    assert version_in(tmp_path) == "1.3.0"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "engine of ours"
    folder.mkdir()
    git(folder, "init", "-q")
    commit(folder, **{"galaxy.yml": "version: 1.0.0\n"})
    git(folder, "tag", "v1.0.0")
    commit(folder, **{"galaxy.yml": "version: 1.1.0\n"})
    git(folder, "tag", "-am", "with words", "v1.1.0")
    for name in ("v2", "v3.0.0-rc1", "1.2.0", "other"):
        git(folder, "tag", name)
    return folder


def test_which_versions_can_be_had(repository: Path) -> None:
    """By tags with and without words of their own; the commit is the one that they lead to."""
    found = pinning.releases_at(str(repository))
    assert found == {ONE: git(repository, "rev-parse", "v1.0.0"), TWO: git(repository, "rev-parse", "HEAD")}
    with pytest.raises(SetupError):
        pinning.releases_at(str(repository / "nowhere"))
    with pytest.raises(SetupError, match="no address"):
        pinning.releases_at("--upload-pack=touch x")


def test_an_engine_is_fetched_as_the_projects_command_does(repository: Path, tmp_path: Path) -> None:
    project = tmp_path / "p"
    head = git(repository, "rev-parse", "HEAD")
    assert pinning.kept(project, TWO, head) == ""
    digest = pinning.fetch(project, str(repository), TWO, head)
    assert digest == pinning.digest_of(repository)
    assert pinning.kept(project, TWO, head) == digest
    assert pinning.kept(project, TWO, "0" * 40) == ""
    assert (project / ".samestack/engine/1.1.0.pinned").read_text() == f"{head} {digest}\n"
    with pytest.raises(SetupError):
        pinning.fetch(project, str(repository), ONE, head)
    assert sorted(os.listdir(project / ".samestack/engine")) == ["1.1.0", "1.1.0.pinned"]


@pytest.mark.parametrize(
    ("version", "told"), [("0.x", "version = 0.x: this is none. Restore samestack.lock"), ("", "is no clone of it")]
)
def test_what_is_no_project(project: Path, monkeypatch: pytest.MonkeyPatch, version: str, told: str) -> None:
    if version:
        (project / "samestack.lock").write_text(pinning.Pin(version, "0" * 40, "sha256:0", "../x").text())
    with pytest.raises(SetupError, match=told):
        updating.find_way("")


def test_where_an_address_is(tmp_path: Path) -> None:
    for address in ("https://example.org/x.git", "git@example.org:x.git", "/srv/x"):
        assert pinning.address_from(tmp_path, address) == address
    assert pinning.address_from(tmp_path / "a", "../b") == str(tmp_path / "b")
