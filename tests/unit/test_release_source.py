"""Sources: what is fetched, what stays behind, what the release's id depends on, and how bad input is refused."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from plugins.action.release_source import describe, look, prepare
from plugins.plugin_utils.errors import DecisionError
from plugins.plugin_utils.project.archive import keep_newest, pack
from plugins.plugin_utils.project.repository import Request, commits_between, resolve_url
from plugins.plugin_utils.project.source import fetch, path_files
from tests.support.shapes.skeleton import startproject, tree
from tests.unit.test_project import PINS

GIT_NAME = {
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always",
}  # fmt: skip


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, env={**os.environ, **GIT_NAME}, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tree(tmp_path / "origin", startproject())
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    git(folder, "tag", "v1.0")
    git(folder, "branch", "feature/login")
    (folder / "new.txt").write_text("two")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "two")
    return folder


def get(tmp_path: Path, **request: Any) -> tuple[Any, Path]:
    target = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
    target.mkdir()
    return fetch(Request(base=tmp_path, **request), target, tmp_path / "cache"), target


def test_git_branch_tag_commit_and_default(tmp_path: Path, repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD").strip()
    first = git(repository, "rev-parse", "v1.0").strip()
    for ref, commit in (("", head), ("main", head), ("v1.0", first), ("feature/login", first), (first[:9], first)):
        source, target = get(tmp_path, kind="git", location=str(repository), ref=ref)
        assert source.identity == {"commit": commit}
        assert (target / "manage.py").is_file()
        assert (target / "new.txt").exists() == (commit == head)


def test_git_sees_what_was_pushed_since(tmp_path: Path, repository: Path) -> None:
    get(tmp_path, kind="git", location=str(repository), ref="main")
    (repository / "three.txt").write_text("3")
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "three")
    assert (get(tmp_path, kind="git", location=str(repository), ref="main")[1] / "three.txt").exists()


def test_git_commits_between_two_releases(tmp_path: Path, repository: Path) -> None:
    source, _target = get(tmp_path, kind="git", location=str(repository), ref="main")
    new, old = source.identity["commit"], git(repository, "rev-parse", "v1.0").strip()
    assert commits_between(source.mirror, old, new) == [{"commit": new, "author": "a", "subject": "two"}]
    # Back, nowhere, from a folder, from a commit that nobody knows
    for mirror, one, other in ((source.mirror, new, old), (source.mirror, new, new), ("", old, new),
                               (source.mirror, "", new), (source.mirror, "0" * 40, new)):  # fmt: skip
        assert commits_between(mirror, one, other) == []


def test_git_ref_that_does_not_exist(tmp_path: Path, repository: Path) -> None:
    with pytest.raises(
        DecisionError, match=r"app_source.ref = v1.9 .*no such branch, tag or commit. Did you mean v1.0\?"
    ):
        get(tmp_path, kind="git", location=str(repository), ref="v1.9")
    with pytest.raises(DecisionError, match="no such branch,"):
        get(tmp_path, kind="git", location=str(repository), ref="--upload-pack=x")


def test_git_repository_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DecisionError, match=r"app_source.url = .*nowhere .*git cannot read the repository:\n.*nowhere"):
        get(tmp_path, kind="git", location=str(tmp_path / "nowhere"))


def test_git_submodules_come_along(tmp_path: Path, repository: Path) -> None:
    library = tree(tmp_path / "library", {"code.py": "X = 1\n"})
    git(library, "init", "-q", "-b", "main")
    git(library, "add", ".")
    git(library, "commit", "-q", "-m", "library")
    git(repository, "submodule", "add", "-q", "../library", "vendor/library")
    git(repository, "commit", "-q", "-m", "with library")
    (library / "code.py").write_text("X = 2\n")
    git(library, "commit", "-q", "-am", "later")
    _source, target = get(tmp_path, kind="git", location=str(repository))
    assert (target / "vendor/library/code.py").read_text() == "X = 1\n"


def test_addresses_with_a_password_are_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(DecisionError, match=r"app_source\.url") as caught:
        get(tmp_path, kind="git", location="https://user:hunter2@example.org/x.git")
    assert "hunter2" not in str(caught.value)


def test_deploy_key_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DecisionError, match=r"app_source.deploy_key = keys/deploy .*no such file"):
        get(tmp_path, kind="git", location="git@example.org:x.git", deploy_key="keys/deploy")


@pytest.mark.parametrize(
    ("parent", "url", "expected"),
    [
        ("git@example.org:team/site.git", "../lib.git", "git@example.org:team/lib.git"),
        ("https://example.org/team/site.git", "../../other/lib.git", "https://example.org/other/lib.git"),
        ("/srv/git/site", "../lib", "/srv/git/lib"),
        ("https://example.org/x", "https://elsewhere.example/y", "https://elsewhere.example/y"),
    ],
)
def test_addresses_of_submodules(parent: str, url: str, expected: str) -> None:
    assert resolve_url(parent, url) == expected


def test_path_leaves_what_git_ignores(tmp_path: Path) -> None:
    folder = tree(tmp_path / "site", {**startproject(), ".gitignore": "secret.env\nmedia/\n", "secret.env": "X=1"})
    tree(folder, {"media/photo.jpg": "x", "not-yet-added.py": ""})
    git(folder, "init", "-q")
    git(folder, "add", "manage.py")
    names = path_files(folder)
    assert "not-yet-added.py" in names
    assert "manage.py" in names
    assert not {"secret.env", "media/photo.jpg"} & set(names)
    (folder / "manage.py").unlink()
    assert "manage.py" not in path_files(folder)


def test_path_that_an_outer_repository_ignores_is_taken_whole(tmp_path: Path) -> None:
    tree(tmp_path, {".gitignore": "made/\n"})
    git(tmp_path, "init", "-q")
    folder = tree(tmp_path / "made" / "site", startproject())
    assert "manage.py" in path_files(folder)


def test_path_without_git_leaves_the_usual_litter(tmp_path: Path) -> None:
    litter = [
        "db.sqlite3", ".env", "media/a.jpg", "node_modules/x.js", "mysite/__pycache__/a.pyc", "my-env/pyvenv.cfg",
        ".git/HEAD", "debug.log",
    ]  # fmt: skip
    keep = {**startproject(), "apps/media/__init__.py": "", ".python-version": "3.13"}
    folder = tree(tmp_path / "site", {**keep, **dict.fromkeys(litter, "x")})
    assert path_files(folder) == sorted(keep)


def test_path_that_does_not_exist_or_has_a_ref(tmp_path: Path) -> None:
    with pytest.raises(DecisionError, match=r"app_source.path = examples/nothing .*there is no folder"):
        get(tmp_path, kind="path", location="examples/nothing")
    tree(tmp_path / "site", startproject())
    with pytest.raises(DecisionError, match=r"release_ref = v1 \(in the command line\): .*no refs"):
        get(tmp_path, kind="path", location="site", ref="v1", ref_of_this_run=True)


@pytest.mark.parametrize("kind", ["source", "project"])
def test_what_is_wrong_with_a_source_is_seen_without_a_machine(tmp_path: Path, repository: Path, kind: str) -> None:
    there = {"type": "git", "url": str(repository), "ref": "v1.0"}
    given = {name: value for name, value in arguments(look=kind, source=there).items() if name != "machine"}
    look(given, tmp_path)
    with pytest.raises(DecisionError, match=r"app_source.ref = v1.1 .*Did you mean v1.0"):
        look({**given, "source": {**there, "ref": "v1.1"}}, tmp_path)
    with pytest.raises(DecisionError, match=r"release_ref = mian \(in the command line\).*Did you mean main"):
        look({**given, "ref": "mian"}, tmp_path)
    with pytest.raises(DecisionError, match=r"app_source.url = .*git cannot read the repository"):
        look({**given, "source": {**there, "url": str(tmp_path / "nowhere")}}, tmp_path)
    with pytest.raises(DecisionError, match=r"app_source.path = ../mysite .*there is no folder"):
        look({**given, "source": {"type": "path", "path": "../mysite"}}, tmp_path)


def test_what_a_source_is_is_seen_without_a_machine(tmp_path: Path) -> None:
    tree(tmp_path / "site", {**startproject(), "requirements.txt": "Django\n"})
    given = {name: value for name, value in arguments(look="project").items() if name != "machine"}
    look(given, tmp_path)
    assert not list((tmp_path / ".samestack/sources").glob("*.gz"))
    with pytest.raises(DecisionError, match=r"app_settings_module = mysite.prod "):
        look({**given, "settings": "mysite.prod"}, tmp_path)
    (tmp_path / "site/requirements.txt").unlink()
    with pytest.raises(DecisionError, match="no file that lists its packages"):
        look(given, tmp_path)


def test_a_path_is_taken_at_a_ref_where_it_is_there(tmp_path: Path, repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD").strip()

    def ask(ref: str) -> str:
        try:
            get(tmp_path, kind="path", location=str(repository), ref=ref, ref_of_this_run=True)
        except DecisionError as error:
            return str(error)
        return ""

    assert [ask(ref) for ref in ("HEAD", head, head[:12])] == ["", "", ""]
    for ref in (f"{head}~1", "--upload-pack=x", "no-such", "$(touch x)", ":/"):
        assert "is at " + head[:12] in ask(ref)
    (repository / "new.txt").write_text("not committed")
    assert "has what no commit has (new.txt)" in ask(head)


def test_archive_depends_on_files_alone(tmp_path: Path) -> None:
    one = tree(tmp_path / "one", {"b.txt": "b", "a/run.sh": "x"})
    two = tree(tmp_path / "two", {"a/run.sh": "x", "b.txt": "b"})
    for folder, mode in ((one, 0o700), (two, 0o755)):
        (folder / "a/run.sh").chmod(mode)
        os.utime(folder / "b.txt", (mode, mode))
    (one / "b.txt").chmod(0o600)
    for name in ("one", "two"):
        source, target = get(tmp_path, kind="path", location=name)
        pack(target, source.listed, tmp_path / f"{name}.tar.gz", 1_000_000_000)
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "one.tar.gz") as archive:
        modes = {entry.name: (oct(entry.mode), entry.uid, entry.mtime) for entry in archive}
    assert modes == {
        "a": ("0o755", 0, 1_000_000_000), "a/run.sh": ("0o755", 0, 1_000_000_000), "b.txt": ("0o644", 0, 1_000_000_000),
    }  # fmt: skip


def test_only_the_newest_archives_stay(tmp_path: Path) -> None:
    for age in range(5):
        path = tmp_path / f"site-{age}.tar.gz"
        path.touch()
        os.utime(path, (1000 - age, 1000 - age))
    keep_newest(tmp_path, "site-*.tar.gz", 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site-0.tar.gz", "site-1.tar.gz"]


def arguments(**more: Any) -> dict[str, Any]:
    return {
        "app": "shop", "source": {"type": "path", "path": "site"}, "pins": PINS,
        "machine": {"python": "3.13.5", "architecture": "x86_64"}, **more,
    }  # fmt: skip


def test_the_same_inputs_make_the_same_release(tmp_path: Path) -> None:
    tree(tmp_path / "site", startproject())
    first = prepare(arguments(), tmp_path)
    assert prepare(arguments(), tmp_path) == first
    assert Path(first["archive"]).is_file()
    assert len(first["id"]) == 12


@pytest.mark.parametrize(
    "more",
    [
        {"build_commands": ["npm run build"]},
        {"build_env": {"A": "1"}},
        {"extra_requirements": ["sentry-sdk"]},
        {"collectstatic": False},
        {"machine": {"python": "3.11.2", "architecture": "x86_64"}},
        {"machine": {"python": "3.13.5", "architecture": "aarch64"}},
        {"server": "granian"},
        {"asgi": "mysite.asgi"},
    ],
)
def test_every_input_changes_the_id(tmp_path: Path, more: dict[str, Any]) -> None:
    tree(tmp_path / "site", startproject())
    assert prepare(arguments(), tmp_path)["id"] != prepare(arguments(**more), tmp_path)["id"]


TRIXIE = {"python": "3.13.5", "architecture": "x86_64", "os": "debian", "release": "13"}


def test_the_platform_is_an_input(tmp_path: Path) -> None:
    tree(tmp_path / "site", startproject())
    release = prepare(arguments(machine=TRIXIE), tmp_path)
    assert release["inputs"]["platform"] == "debian-13-x86_64"
    others = [{**TRIXIE, "release": "12"}, {**TRIXIE, "os": "ubuntu"}]
    assert release["id"] not in {prepare(arguments(machine=other), tmp_path)["id"] for other in others}


@pytest.mark.parametrize("other", [{"release": "12"}, {"python": "3.11.2"}, {"architecture": "aarch64"}])
def test_hosts_that_could_not_run_the_release_are_refused_first(tmp_path: Path, other: dict[str, str]) -> None:
    tree(tmp_path / "site", startproject())
    same = {"web1": TRIXIE, "web2": {**TRIXIE, "python": "3.13.9"}}
    prepare(arguments(machine=TRIXIE, machines=same), tmp_path)
    hosts = {**same, "web3": {**TRIXIE, **other}}
    with pytest.raises(DecisionError, match=r"web3 \(in the inventory\): it is .*built for debian-13"):
        prepare(arguments(machine=TRIXIE, machines=hosts), tmp_path)


def test_releases_with_the_same_packages_share_an_environment(tmp_path: Path) -> None:
    folder = tree(tmp_path / "site", startproject())
    first = prepare(arguments(), tmp_path)
    (folder / "mysite/urls.py").write_text("urlpatterns = []\n")
    second = prepare(arguments(build_commands=["true"], collectstatic=False), tmp_path)
    assert first["id"] != second["id"]
    assert first["vid"] == second["vid"]
    assert prepare(arguments(extra_requirements=["x"]), tmp_path)["vid"] != first["vid"]
    assert prepare(arguments(build_env={"CFLAGS": "-O0"}), tmp_path)["vid"] != first["vid"]
    assert prepare(arguments(machine=TRIXIE), tmp_path)["vid"] != first["vid"]
    (folder / "uv.toml").write_text('index-url = "https://elsewhere.example/simple"\n')
    assert prepare(arguments(), tmp_path)["vid"] != first["vid"]
    requirements = folder / "requirements.txt"
    requirements.write_text(requirements.read_text() + "./libs/ours\n")
    local = prepare(arguments(), tmp_path)
    assert local["vid"] != prepare(arguments(build_commands=["true"]), tmp_path)["vid"]


def test_a_changed_file_changes_the_id_and_a_patch_of_python_does_not(tmp_path: Path) -> None:
    folder = tree(tmp_path / "site", startproject())
    first = prepare(arguments(), tmp_path)["id"]
    assert prepare(arguments(machine={"python": "3.13.9", "architecture": "x86_64"}), tmp_path)["id"] == first
    (folder / "mysite/settings.py").write_text("X = 1\nWSGI_APPLICATION = 'mysite.wsgi.application'\n")
    assert prepare(arguments(), tmp_path)["id"] != first


def test_values_of_the_build_environment_stay_out_of_the_release(tmp_path: Path) -> None:
    tree(tmp_path / "site", startproject())
    release = prepare(arguments(build_env={"NPM_TOKEN": "hunter2"}), tmp_path)
    assert "hunter2" not in repr(release)


def test_live_code_has_one_id_and_no_archive(tmp_path: Path) -> None:
    tree(tmp_path / "site", startproject())
    release = prepare(arguments(live_path="/srv/live"), tmp_path)
    assert (release["id"], release["archive"], release["collectstatic"]) == ("live-code", "", False)
    with pytest.raises(DecisionError, match=r"app_source.type = git .*live code"):
        prepare(arguments(source={"type": "git", "url": "x"}, live_path="/srv/live"), tmp_path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({}, "app_source.type = None .*Write one of git, hg, path"),
        ({"type": "svn"}, "app_source.type = svn"),
        ({"type": "git"}, 'app_source.url = "" .*a source of type git needs it'),
    ],
)
def test_sources_that_make_no_sense(tmp_path: Path, source: dict[str, str], message: str) -> None:
    with pytest.raises(DecisionError, match=message):
        prepare(arguments(source=source), tmp_path)


def test_what_was_found_is_said(tmp_path: Path) -> None:
    tree(tmp_path / "site", startproject())
    release = prepare(arguments(), tmp_path)
    assert describe(release) == [
        f"Release {release['id']} of shop: path site, 6 files",
        "Found: WSGI mysite.wsgi:application, settings mysite.settings, manage.py in the top folder",
        "Packages: 1 from requirements.txt; added gunicorn==27.0.1, psycopg[binary]==3.3.9",
    ]
