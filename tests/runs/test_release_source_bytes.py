"""A release has what the commit has: whatever its attributes say, however full the disk is, whatever was cut off."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from plugins.action.release_source import prepare
from plugins.module_utils.release.files.contents import Contents, read_tree
from plugins.plugin_utils.errors import DecisionError, SamestackError
from plugins.plugin_utils.project.archive import intact
from tests.unit.test_project import startproject, tree
from tests.unit.test_release_source import arguments, get, git

if TYPE_CHECKING:
    from collections.abc import Callable

LIMITED = """
import pickle, resource, sys
from pathlib import Path
limit, base, arguments = int(sys.argv[1]), Path(sys.argv[2]), pickle.loads(bytes.fromhex(sys.argv[3]))
sys.path.insert(0, sys.argv[4])  # the repository's own packages
from plugins.action.release_source import prepare
from plugins.plugin_utils.errors import SamestackError
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    print(prepare(arguments, base)["archive"])
except SamestackError as error:
    print(f"{error} {error.hint}")
    raise SystemExit(3)
"""
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n"
ATTRIBUTES = "*.jpg filter=lfs diff=lfs merge=lfs -text\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tree(tmp_path / "origin", startproject())
    git(folder, "init", "-q", "-b", "main")
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    git(folder, "add", "-A", ".")
    git(folder, "commit", "-q", "--allow-empty", "-m", "more")


def source_of(folder: Path) -> dict[str, Any]:
    return arguments(source={"type": "git", "url": str(folder), "ref": "main"})


def test_attributes_take_nothing_out_and_change_nothing(tmp_path: Path, repository: Path) -> None:
    files = {
        ".gitattributes": "secret/* export-ignore\nversion.py export-subst\n*.csv text eol=crlf\n*.txt ident\n",
        "secret/needed.py": "X = 1\n", "version.py": 'V = "$Format:%H$"\n', "a.csv": "1,2\n", "b.txt": "$Id$\n",
    }  # fmt: skip
    tree(repository, files)
    (repository / "run.sh").write_text("#!/bin/sh\n")
    (repository / "run.sh").chmod(0o755)
    (repository / "link.sh").symlink_to("run.sh")
    (repository / "Grüße.txt").write_text("x")
    (repository / os.fsdecode(b"latin-\xe9.txt")).write_text("x")
    git(repository, "config", "core.autocrlf", "false")
    commit(repository)
    source, target = get(tmp_path, kind="git", location=str(repository))
    for name, content in files.items():
        assert (target / name).read_text() == content, name
    assert Contents(read_tree(str(target))).sha256 == source.listed.sha256
    listed = git(repository, "ls-tree", "-r", "--name-only", "HEAD").splitlines()
    assert {name.encode("utf-8", "surrogateescape") for name in source.listed.entries} >= {b"latin-\xe9.txt"}
    assert len(source.listed.entries) == len(listed)
    assert (source.listed.entries["run.sh"][0], source.listed.entries["link.sh"][0]) == ("100755", "120000")


@pytest.mark.parametrize("kind", ["git", "path"])
def test_a_disk_that_fills_makes_no_release_that_is_less(tmp_path: Path, repository: Path, kind: str) -> None:
    """However few bytes a file can have: what is named is whole, and with room the same command makes it."""
    for number in range(40):
        (repository / f"file{number:02}.bin").write_bytes(os.urandom(3000 + 400 * number))
    commit(repository)
    asked = source_of(repository) if kind == "git" else arguments(source={"type": "path", "path": str(repository)})
    whole = prepare(asked, tmp_path / "whole")
    ends = set()
    for limit in (0, 3000, 15_000, 60_000, 300_000, 10_000_000):
        base = tmp_path / f"{kind}{limit}"
        base.mkdir()
        given = [str(limit), str(base), pickle.dumps(asked).hex(), str(Path(__file__).parents[2])]
        done = subprocess.run([sys.executable, "-c", LIMITED, *given], capture_output=True, text=True, check=False)
        ends.add(done.returncode)
        archives = list((base / ".samestack/sources").glob("shop-*"))
        if done.returncode:
            assert done.returncode == 3 and not archives, done.stderr
        for archive in archives:
            assert intact(archive, whole["source_sha256"])
        again = prepare(asked, base)
        assert again["id"] == whole["id"] and intact(Path(again["archive"]), whole["source_sha256"])
    assert ends == {0, 3}


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_archive_is_made_anew(tmp_path: Path, repository: Path, damage: str) -> None:
    release = prepare(source_of(repository), tmp_path)
    archive = Path(release["archive"])
    content = archive.read_bytes()
    middle = len(content) // 2
    changed = bytes([content[middle] ^ 1])
    archive.write_bytes({"cut": content[:middle], "changed": content[:middle] + changed + content[middle + 1 :],
                         "empty": b""}[damage])  # fmt: skip
    assert not intact(archive, release["source_sha256"])
    assert prepare(source_of(repository), tmp_path) == release
    assert archive.read_bytes() == content


def lose_an_object(mirror: Path) -> None:
    for packed in mirror.glob("objects/pack/*.pack"):
        content = packed.read_bytes()
        packed.chmod(0o644)
        packed.write_bytes(content[: len(content) // 2])
    for loose in mirror.glob("objects/[0-9a-f][0-9a-f]/*"):
        loose.unlink()


def change_objects(mirror: Path) -> None:
    """Put one object's bytes in another's place: git itself does not look."""
    blobs = [path for path in sorted(mirror.glob("objects/[0-9a-f][0-9a-f]/*")) if is_blob(mirror, path)]
    first = blobs[0].read_bytes()
    for path in blobs:
        path.chmod(0o644)
        path.write_bytes(first)


def is_blob(mirror: Path, path: Path) -> bool:
    return git(mirror, "cat-file", "-t", path.parent.name + path.name).strip() == "blob"


def leave_a_lock(mirror: Path) -> None:
    (mirror / "packed-refs.lock").touch()
    for head in mirror.glob("refs/heads/*"):
        head.with_name(head.name + ".lock").touch()


@pytest.mark.parametrize("damage", [lose_an_object, change_objects, leave_a_lock,
                                    lambda mirror: (mirror / "HEAD").write_text(""),
                                    lambda mirror: (mirror / "config").write_text("[core")])  # fmt: skip
def test_a_damaged_copy_of_the_repository_mends_itself(
    tmp_path: Path, repository: Path, damage: Callable[[Path], object]
) -> None:
    release = prepare(source_of(repository), tmp_path)
    Path(release["archive"]).unlink()
    mirror = next((tmp_path / ".samestack/sources").glob("*.git"))
    git(mirror, "config", "gc.auto", "0")
    damage(mirror)
    # A new commit, so that refs have to be written
    commit(repository)
    git(repository, "commit", "-q", "--amend", "--allow-empty", "-m", "again")
    try:
        made = prepare(source_of(repository), tmp_path)
    except SamestackError as error:
        assert "damaged" in str(error) and "again" in error.hint
        made = prepare(source_of(repository), tmp_path)
    assert made["source_sha256"] == release["source_sha256"]


def test_a_submodule_that_nobody_can_fetch_is_named(tmp_path: Path, repository: Path) -> None:
    library = tree(tmp_path / "library", {"code.py": "X = 1\n"})
    git(library, "init", "-q", "-b", "main")
    commit(library)
    git(repository, "submodule", "add", "-q", "../library", "vendor/library")
    commit(repository)
    (repository / ".gitmodules").write_text("")
    commit(repository)
    with pytest.raises(DecisionError, match=r"vendor/library is a submodule, and \.gitmodules gives it no address"):
        get(tmp_path, kind="git", location=str(repository))
    git(repository, "revert", "--no-edit", "HEAD")
    (repository / "vendor/library/code.py").write_text("X = 2\n")
    git(repository / "vendor/library", "commit", "-q", "-am", "not pushed")
    commit(repository)
    with pytest.raises(DecisionError, match=r"the submodule vendor/library is to be at commit .* does not have"):
        get(tmp_path, kind="git", location=str(repository))
    git(repository / "vendor/library", "push", "-q", "origin", "HEAD:refs/heads/later")
    _source, target = get(tmp_path, kind="git", location=str(repository))
    assert (target / "vendor/library/code.py").read_text() == "X = 2\n"


def test_a_folder_with_a_submodule_that_is_not_there(tmp_path: Path, repository: Path) -> None:
    library = tree(tmp_path / "library", {"code.py": "X = 1\n"})
    git(library, "init", "-q", "-b", "main")
    commit(library)
    git(repository, "submodule", "add", "-q", str(library), "vendor/library")
    commit(repository)
    git(tmp_path, "clone", "-q", str(repository), "clone")
    given = arguments(source={"type": "path", "path": "clone"})
    with pytest.raises(DecisionError, match="vendor/library is a submodule whose files are not there") as caught:
        prepare(given, tmp_path)
    # Live code is what its owner has there.
    prepare({**given, "live_path": "/srv/live"}, tmp_path)
    assert "git submodule update --init --recursive" in str(caught.value)
    git(tmp_path / "clone", "submodule", "update", "-q", "--init", "--recursive")
    prepare(given, tmp_path)


@pytest.mark.parametrize("kind", ["git", "path", "folder"])
def test_pointers_of_git_lfs_are_no_pictures(
    tmp_path: Path, repository: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(repository, {".gitattributes": ATTRIBUTES, "static/photo.jpg": POINTER, "docs/example.txt": POINTER})
    commit(repository)
    if kind == "folder":
        shutil.rmtree(repository / ".git")
    # A computer without git-lfs
    path = os.environ["PATH"]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    given = source_of(repository) if kind == "git" else arguments(source={"type": "path", "path": str(repository)})
    with pytest.raises(DecisionError, match=r"static/photo\.jpg is only a pointer to the file") as caught:
        prepare(given, tmp_path)
    assert ("apt install git-lfs" if kind == "git" else "git lfs pull") in str(caught.value)
    # A text about pointers is none.
    monkeypatch.setenv("PATH", path)
    (repository / ".gitattributes").write_text("")
    if kind == "git":
        commit(repository)
    prepare(given, tmp_path)


def test_a_folder_is_not_read_behind_its_links(tmp_path: Path, repository: Path) -> None:
    tree(tmp_path / "elsewhere", {"key.pem": "private"})
    tree(repository, {"keys/key.pem": "mine"})
    commit(repository)
    shutil.rmtree(repository / "keys")
    (repository / "keys").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DecisionError, match="keys is a link that leads out of it"):
        prepare(arguments(source={"type": "path", "path": str(repository)}), tmp_path)
