"""`samestack update`, as it is typed: in a project of its own folder, and in a clone that somebody works in."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from box.pinning import read_pin
from plugins.plugin_utils.version import Version
from tests.runs.test_thin_project import lend_tools, typed
from tests.support.project import content_of
from tests.support.shapes import SHAPES
from tests.support.shapes.skeleton import tree
from tests.support.tags import fetched, git, release, tagged

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]
NEXT, SHAPE = Version(9, 0, 0), "Celery with a schedule in the settings"
APP = "inventories/group_vars/all/app.yml"
MIGRATION = '''"""A page is a page."""

from .steps import Rename

SINCE = "9.0.0"
WHAT = "app_health_path is app_health_page"
STEPS = (Rename("app_health_path", "app_health_page"),)
'''
CHANGES = """## 9.0.0

- `app_health_path` is `app_health_page`.
- `backup_keep` is for others.
- All are concerned.

"""
SPECS = "roles/preflight/meta/argument_specs.yml"


class Upstream:
    """The repository that projects fetch from, with the next version in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.versions = tagged(PROJECT, folder)
        self.now = self.versions[-1]
        texts = {name: (folder / name).read_text() for name in ("CHANGELOG.md", "cli/thin/Makefile", SPECS)}
        release(
            folder,
            NEXT,
            {
                "plugins/plugin_utils/inventory/migrations/m9000_page.py": MIGRATION,
                "CHANGELOG.md": texts["CHANGELOG.md"].replace("## ", f"{CHANGES}## ", 1),
                "cli/thin/Makefile": texts["cli/thin/Makefile"] + "# of the next version\n",
                # And one that is no more, without a migration
                SPECS: texts[SPECS].replace("      app_jit:", "      app_just:"),
            },
        )


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    top = tmp_path_factory.mktemp("update")
    yield Upstream(top / "samestack")


@pytest.fixture(scope="module")
def original(upstream: Upstream) -> Path:
    """A project that pins the version of now; engines have borrowed tools."""
    top = upstream.folder.parent
    git(top, "clone", "-q", "-b", upstream.now.tag, str(upstream.folder), "now")
    lend_tools(top / "now")
    tree(top / "shop", SHAPES[SHAPE][0])
    words = ("init", "../shop", "--yes", "--from", "../../samestack")
    done = typed(top / "now", "./samestack", *words, XDG_DATA_HOME=str(top / "data"))
    assert done.returncode == 0, done.stdout + done.stderr
    project = top / "shop" / "samestack"
    for version in (upstream.now, NEXT):
        lend_tools(fetched(project, upstream.folder, version))
    return project


@pytest.fixture
def project(original: Path) -> Iterator[Path]:
    """The same for each test."""
    kept = original.parent / "kept"
    shutil.copytree(original, kept, symlinks=True, ignore=shutil.ignore_patterns(".samestack"))
    yield original
    for path in original.iterdir():
        if path.name != ".samestack":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    for patch in (original / ".samestack").glob("*.patch"):
        patch.unlink()
    shutil.copytree(kept, original, dirs_exist_ok=True)
    shutil.rmtree(kept)


def content(project: Path) -> dict[str, str]:
    return {name: digest for name, digest in content_of(project).items() if not name.startswith(".samestack/")}


def update(folder: Path, *words: str, command: str = "./samestack", **environment: str) -> str:
    """What it says where it goes well, in single spaces."""
    done = typed(folder, command, "update", *words, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def refused(folder: Path, *words: str, **environment: str) -> str:
    done = typed(folder, "./samestack", "update", *words, **environment)
    assert done.returncode == 1, done.stdout
    assert "Nothing was changed." in done.stderr
    return " ".join(done.stderr.split())


def test_it_is_shown_first(project: Path) -> None:
    before = content(project)
    said = update(project, "--check", "--diff")
    assert content(project) == before
    assert "9.0.0 `app_health_path` is `app_health_page`. 9.0.0 All are concerned." in said
    assert "is for others" not in said
    assert "and 1 that concern nothing that this project sets" in said
    assert "-app_health_path: " in said
    assert "+app_health_page: " in said
    assert "Nothing was changed (--check)." in said


def test_there_and_back(project: Path, upstream: Upstream) -> None:
    before = content(project)
    text = (project / APP).read_text()
    said = update(project)
    assert re.search(rf"{APP}:\d+: app_health_path is app_health_page", said)
    assert "Replaced: Makefile, README.md, samestack.lock" in said
    assert (project / APP).read_text() == text.replace("\napp_health_path:", "\napp_health_page:")
    pin = read_pin(project)
    assert pin
    assert (pin.version, pin.origin) == ("9.0.0", "../../samestack")
    assert pin.commit == git(upstream.folder, "rev-parse", NEXT.tag)
    assert f".samestack/engine/{NEXT}/docs/" in (project / "README.md").read_text()
    where = typed(project, "./samestack", SAMESTACK_WHERE="1")
    assert (where.stderr, where.stdout) == ("", f"{project}/.samestack/engine/9.0.0\n")
    assert (project / ".samestack/collections/ansible_collections/samestack/core").resolve().name == "9.0.0"
    assert "Samestack 9.0.0 is the newest" in update(project)
    earlier = upstream.folder.parent / "now"
    git(earlier, "tag", "-d", NEXT.tag)
    assert "Samestack 9.0.0 is newer than all that" in update(project, SAMESTACK_FROM=str(earlier))
    git(earlier, "fetch", "-q", "--tags")
    said = update(project, "--to", str(upstream.now))
    assert "What goes again: 9.0.0" in said
    assert "--allow-older-engine" in said
    assert content(project) == before


def test_what_somebody_has_changed_stays_theirs(project: Path) -> None:
    (project / "Makefile").write_text("mine:\n")
    (project / "hooks").mkdir()
    (project / "hooks/x.yml").write_text("- debug:\n    var: app_health_path\n")
    with (project / APP).open("a") as file:
        file.write("app_jit: true\n")
    engine = project / ".samestack/engine" / str(read_pin(project).version)  # type: ignore[union-attr]
    changed = engine / "roles/nginx/tasks/main.yml"
    text = changed.read_text()
    try:
        changed.write_text(text + "# mine\n")
        said = update(project)
    finally:
        changed.write_text(text)
    assert (project / "Makefile").read_text() == "mine:\n"
    assert "Yours are kept, though ours have changed (look at .samestack/engine/9.0.0/cli/thin): Makefile" in said
    assert "app_health_path (in hooks/x.yml:2): this name is used there. Write app_health_page." in said
    assert f"app_jit (in {APP}:" in said
    assert "Samestack 9.0.0 has no such variable. Take the line out." in said
    command = re.search(r"git -C \S+ apply --3way \S+", said)
    assert command
    done = typed(project, *command[0].split())
    assert done.returncode == 0, done.stderr
    applied = project / ".samestack/engine/9.0.0/roles/nginx/tasks/main.yml"
    assert applied.read_text() == text + "# mine\n"
    git(applied.parent, "checkout", "-q", "HEAD", "--", str(applied))


def test_what_cannot_be_had(project: Path, upstream: Upstream) -> None:
    before = content(project)
    versions = ", ".join(map(str, [*upstream.versions, NEXT]))
    for wanted in ("7.0.0", "main"):
        assert f"--to = {wanted}: {upstream.folder} has {versions}." in refused(project, "--to", wanted)
    said = refused(project, "--to", "v0.1.0")
    assert "--to = 0.1.0: a project of its own folder cannot pin that version" in said
    assert "SAMESTACK_FROM may name another place." in refused(project, SAMESTACK_FROM="/nowhere")
    decided = (project / APP).read_text()
    (project / APP).write_text("a: [\n")
    assert f"file (in {APP}:" in refused(project)
    (project / APP).write_text(decided)
    git(upstream.folder, "tag", "v9.9.9", NEXT.tag)
    try:
        said = refused(project)
    finally:
        git(upstream.folder, "tag", "-d", "v9.9.9")
    assert "v9.9.9: this tag of" in said
    assert "calls itself 9.0.0" in said
    assert content(project) == before


def test_a_clone_of_the_first_version_by_the_newest(upstream: Upstream, original: Path) -> None:
    """It has no such verb itself; five versions at once are one command."""
    assert original.exists()
    top = upstream.folder.parent
    git(top, "clone", "-q", "-b", "v0.1.0", str(upstream.folder), "old")
    clone = top / "old"
    app = (clone / APP).read_text()
    mine = re.sub("^app_health_path:.*$", "app_health_path: /mine/", app, flags=re.MULTILINE)
    (clone / APP).write_text(mine + "security_admins: # us\n  - {name: ada, keys: [ada.pub]}\n")
    with (clone / "roles/nginx/tasks/main.yml").open("a") as file:
        file.write("# mine\n")
    git(clone, "commit", "-qam", "mine")
    before = git(clone, "rev-parse", "HEAD")
    lend_tools(fetched(clone, upstream.folder, NEXT))
    said = update(clone, command=str(top / "now/samestack"))
    assert (clone / "galaxy.yml").read_text() == (upstream.folder / "galaxy.yml").read_text()
    decided = yaml.safe_load((clone / APP).read_text())
    assert decided["security_people"] == {"ada": {"keys": ["ada.pub"]}}
    assert decided["app_health_page"] == "/mine/"
    assert "# us\n" in (clone / APP).read_text()
    allowed = yaml.safe_load((clone / "inventories/group_vars/all/differences.yml").read_text())["allowed_differences"]
    assert "watch_exporters" in allowed
    assert git(clone, "rev-parse", "HEAD^1") == before
    assert "git apply --3way .samestack/own-edits-0.1.0.patch" in said
    git(clone, "apply", ".samestack/own-edits-0.1.0.patch")
    assert (clone / "roles/nginx/tasks/main.yml").read_text().endswith("# mine\n")
    git(clone, "checkout", "-q", "roles")
    lend_tools(clone)
    git(clone, "commit", "-qam", "as it was rewritten")
    assert "Samestack 9.0.0 is the newest" in update(clone)
    update(clone, "--to", "0.1.0")
    back = yaml.safe_load((clone / APP).read_text())
    assert back == yaml.safe_load(mine) | {"security_people": {"ada": {"keys": ["ada.pub"]}}}
    assert git(clone, "diff", "--stat", before, "--", ":!inventories", ":!roles/nginx") == ""
