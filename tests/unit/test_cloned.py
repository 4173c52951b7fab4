"""A clone that somebody works in gets the engine of another version: nothing of theirs is lost, whatever they did."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from box import cloned
from box.common import SetupError
from cli.updating import edits_in

if TYPE_CHECKING:
    from pathlib import Path

INVENTORY = "inventories/group_vars/all/app.yml"
#: A version each; what is not said of the second is as in the first.
FIRST = {
    "galaxy.yml": "version: 0.1.0\n", "roles/web/main.yml": "a\nb\nc\n", "docs/gone.md": "g\n", "box/run": "1\n",
    INVENTORY: "app_name: example\n", "sanitise.yml": "s: 1\n",
}  # fmt: skip
SECOND = {
    "galaxy.yml": "version: 0.2.0\n", "roles/web/main.yml": "a\nb\nc\nd\n", "docs/gone.md": None, "box/run": "2\n",
    "roles/new/main.yml": "new\n", INVENTORY: "app_name: example\napp_new: 1\n",
}  # fmt: skip
THIRD = {"galaxy.yml": "version: 0.3.0\n", "box/run": "3\n"}


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def put(folder: Path, files: dict[str, str | None]) -> None:
    for name, text in files.items():
        path = folder / name
        if text is None:
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """At the first version, with the later ones in its history."""
    upstream = tmp_path / "upstream"
    upstream.mkdir()
    git(upstream, "init", "-q", "-b", "main")
    for number, files in enumerate((FIRST, SECOND, THIRD), 1):
        put(upstream, files)
        git(upstream, "add", "-A")
        git(upstream, "commit", "-qm", f"{number}")
        git(upstream, "tag", f"v0.{number}.0")
    git(tmp_path, "clone", "-q", str(upstream), "clone")
    folder = tmp_path / "clone"
    git(folder, "reset", "-q", "--hard", "v0.1.0")
    return folder


def commit_of(clone: Path, tag: str) -> str:
    return git(clone, "rev-parse", f"{tag}^{{commit}}")


def move(clone: Path, tag: str) -> tuple[cloned.Move, Path]:
    way = cloned.plan(clone, commit_of(clone, tag), commit_of(clone, "v0.3.0"))
    patch = clone.parent / f"to-{tag}.patch"
    way.make(patch, f"Samestack {tag}")
    return way, patch


def files(clone: Path) -> dict[str, str]:
    """Everything that is there, but for what git keeps."""
    there = [path for path in sorted(clone.rglob("*")) if path.is_file() and ".git" not in path.parts]
    return {path.relative_to(clone).as_posix(): path.read_text() for path in there}


def engine(*versions: dict[str, str | None]) -> dict[str, str]:
    """The engine's own files of a version."""
    found: dict[str, str | None] = {}
    for version in versions:
        found |= version
    return {name: text for name, text in found.items() if text is not None and not cloned.is_yours(name)}


def test_an_untouched_clone_is_the_version(clone: Path) -> None:
    way, patch = move(clone, "v0.2.0")
    assert way.untouched
    assert not patch.exists()
    assert git(clone, "rev-parse", "HEAD") == commit_of(clone, "v0.2.0")
    assert git(clone, "status", "--porcelain") == ""
    assert (clone / INVENTORY).read_text() == SECOND[INVENTORY]


def test_everything_that_somebody_can_have_done(clone: Path) -> None:
    put(clone, {INVENTORY: "app_name: mine\n", "roles/mine/main.yml": "mine\n"})
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "decided")
    put(clone, {"roles/web/main.yml": "mine\na\nb\nc\n"})
    git(clone, "commit", "-qam", "committed in the engine")
    mine = git(clone, "rev-parse", "HEAD")
    put(clone, {
        "box/run": "not committed\n", "docs/gone.md": None, INVENTORY: "app_name: mine\n# not committed\n",
        "roles/new/main.yml": "in the way\n", "hooks/x.yml": "x\n", "inventories/vault/staging.yml": "$ANSIBLE\n",
    })  # fmt: skip
    git(clone, "add", "box/run")
    before = files(clone)
    way, patch = move(clone, "v0.3.0")
    assert not way.untouched
    after = files(clone)
    assert {name: after[name] for name in engine(FIRST, SECOND, THIRD)} == engine(FIRST, SECOND, THIRD)
    assert "docs/gone.md" not in after
    theirs = (INVENTORY, "roles/mine/main.yml", "hooks/x.yml", "inventories/vault/staging.yml", "sanitise.yml")
    assert {name: after[name] for name in theirs} == {name: before[name] for name in theirs}
    # What was not committed is not committed now, and no more than that.
    assert git(clone, "status", "--porcelain").split("\n") == [f"M {INVENTORY}", "?? hooks/", "?? inventories/vault/"]
    assert git(clone, "show", f"HEAD:{INVENTORY}") == "app_name: mine"
    assert git(clone, "rev-parse", "HEAD^1", "HEAD^2").split() == [mine, commit_of(clone, "v0.3.0")]
    assert set(way.edited) == {"box/run", "roles/web/main.yml", "roles/new/main.yml"}
    (clone / INVENTORY).write_text(before[INVENTORY])
    git(clone, "apply", str(patch), "--exclude", "box/run")
    again = files(clone)
    assert again["roles/web/main.yml"] == "mine\na\nb\nc\nd\n"
    assert again["roles/new/main.yml"] == "in the way\n"
    assert "+not committed" in patch.read_text()
    assert patch.stat().st_mode & 0o777 == 0o600


def test_an_edit_that_the_version_has_too_is_no_edit(clone: Path) -> None:
    put(clone, {"roles/web/main.yml": str(SECOND["roles/web/main.yml"])})
    way, patch = move(clone, "v0.2.0")
    assert (way.edited, patch.exists()) == ((), False)
    assert git(clone, "status", "--porcelain") == ""


def test_there_and_back_and_there_again(clone: Path) -> None:
    """Also where its history has a version that it went back from."""
    put(clone, {INVENTORY: "app_name: mine\n"})
    git(clone, "commit", "-qam", "decided")
    start = files(clone)
    for tag, versions in (
        ("v0.3.0", (FIRST, SECOND, THIRD)), ("v0.1.0", (FIRST,)), ("v0.2.0", (FIRST, SECOND)), ("v0.1.0", (FIRST,)),
    ):  # fmt: skip
        way, patch = move(clone, tag)
        assert (way.edited, patch.exists()) == ((), False), tag
        assert {name: text for name, text in files(clone).items() if not cloned.is_yours(name)} == engine(*versions)
        assert (clone / INVENTORY).read_text() == "app_name: mine\n"
    assert files(clone) == start


def test_an_edit_comes_back_by_its_patch_on_the_way_back_too(clone: Path) -> None:
    put(clone, {INVENTORY: "app_name: mine\n"})
    git(clone, "commit", "-qam", "decided")
    move(clone, "v0.3.0")
    put(clone, {"roles/web/main.yml": "mine\na\nb\nc\nd\n"})
    way, patch = move(clone, "v0.1.0")
    assert way.edited == ("roles/web/main.yml",)
    git(clone, "apply", str(patch))
    assert files(clone)["roles/web/main.yml"] == "mine\na\nb\nc\n"


def for_own_eyes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody may have told git about how it shows differences."""
    settings = {"diff.noprefix": "true", "diff.context": "0", "color.ui": "always", "diff.mnemonicPrefix": "true"}
    monkeypatch.setenv("GIT_CONFIG_COUNT", str(len(settings)))
    for number, (name, value) in enumerate(settings.items()):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", name)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)


def test_a_patch_can_be_applied_whatever_somebodys_git_is_told(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(clone, {INVENTORY: "app_name: mine\n"})
    git(clone, "commit", "-qam", "decided")
    put(clone, {"roles/web/main.yml": "a\nmine\nb\nc\n"})
    for_own_eyes(monkeypatch)
    edits = edits_in(clone)
    _way, patch = move(clone, "v0.2.0")
    git(clone, "apply", "--3way", str(patch))
    assert files(clone)["roles/web/main.yml"] == "a\nmine\nb\nc\nd\n"
    # The same of an engine that a project has fetched
    git(clone, "reset", "-q", "--hard", "v0.2.0")
    patch.write_bytes(edits)
    git(clone, "apply", "--3way", str(patch))
    assert files(clone)["roles/web/main.yml"] == "a\nmine\nb\nc\nd\n"


@pytest.mark.parametrize("step", ["read-tree -m", "commit-tree", "update-ref"])
def test_what_fails_changes_nothing(clone: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    put(clone, {INVENTORY: "app_name: mine\n"})
    git(clone, "commit", "-qam", "decided")
    put(clone, {"roles/web/main.yml": "mine\n", "roles/new/main.yml": "in the way\n", "docs/gone.md": None})
    before, head = files(clone), git(clone, "rev-parse", "HEAD")
    way = cloned.plan(clone, commit_of(clone, "v0.2.0"), commit_of(clone, "v0.3.0"))
    assert files(clone) == before, "a plan writes nothing"
    really = cloned.git

    def failing(folder: Path, *arguments: str, **given: object) -> bytes:
        if step in " ".join(arguments):
            raise SetupError("the disk is full")
        return really(folder, *arguments, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(cloned, "git", failing)
    with pytest.raises(SetupError, match="full"):
        way.make(clone.parent / "x.patch", "m")
    monkeypatch.undo()
    assert files(clone) == before
    assert git(clone, "rev-parse", "HEAD") == head
    known = {line.strip() for line in git(clone, "status", "--porcelain").split("\n")}
    assert known == {"M roles/web/main.yml", "D docs/gone.md", "?? roles/new/"}
    way.make(clone.parent / "x.patch", "m")
    assert (clone / "roles/new/main.yml").read_text() == "new\n"


def test_a_merge_that_is_not_finished_comes_first(clone: Path) -> None:
    (clone / ".git/MERGE_HEAD").write_text(commit_of(clone, "v0.2.0") + "\n")
    with pytest.raises(SetupError, match="in the middle of something"):
        cloned.plan(clone, commit_of(clone, "v0.2.0"), commit_of(clone, "v0.2.0"))


def test_a_repository_of_something_else(clone: Path) -> None:
    git(clone, "checkout", "-q", "--orphan", "other")
    git(clone, "commit", "-qm", "other")
    for tag in ("v0.1.0", "v0.2.0", "v0.3.0"):
        git(clone, "tag", "-f", f"{tag}x", tag)
    target = commit_of(clone, "v0.2.0")
    git(clone, "tag", "-d", "v0.1.0")
    with pytest.raises(SetupError, match="nothing in common"):
        cloned.plan(clone, target, target)
