"""A project that pins its Samestack: what it fetches, what it refuses, and that it needs nobody once it is there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from box import pinning, places
from box.common import run
from box.pinning import Pin, digest_of, read_pin
from box.places import LOCK, find_project, project_of
from cli import updating
from plugins.plugin_utils.version import Version

THIN = pinning.ENGINE / "cli" / "thin"
#: What an engine is to the command of a project
RUN = '#!/bin/sh\nprintf "%s|" "$SAMESTACK_CALLED_FROM" "$@"\n'


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, **files: str) -> str:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    """A repository with what a project calls, and with a name that shells take apart."""
    folder = tmp_path / "engine of ours"
    folder.mkdir()
    git(folder, "init", "-q")
    commit(folder, box__run=RUN, **{"docs/a page.md": "é\n"})
    (folder / "link").symlink_to("docs")
    commit(folder)
    return folder


@pytest.fixture
def project(tmp_path: Path, engine: Path) -> Path:
    folder = tmp_path / "my site" / "samestack"
    folder.mkdir(parents=True)
    shutil.copy(THIN / "samestack", folder / "samestack")
    pin(folder, engine)
    return folder


def pin(project: Path, engine: Path, **changed: str) -> Pin:
    given = {
        "version": "1.2.0", "commit": git(engine, "rev-parse", "HEAD"), "digest": digest_of(engine),
            "origin": str(engine),
    }  # fmt: skip
    pinned = Pin(**(given | changed))
    (project / LOCK).write_text(pinned.text())
    return pinned


def typed(project: Path, *words: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    own = {name: text for name, text in os.environ.items() if not name.startswith("SAMESTACK")}
    return subprocess.run(
        [str(project / "samestack"), *words], cwd=cwd or project, env=own | environment, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def test_the_first_command_fetches_what_is_pinned(project: Path, engine: Path, tmp_path: Path) -> None:
    done = typed(project, "deploy", "staging", "-m", 'a "b" $c', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f'{tmp_path}|{project}|deploy|staging|-m|a "b" $c|'
    assert f"Fetching Samestack 1.2.0 from {engine}" in done.stderr
    there = project / ".samestack/engine/1.2.0"
    assert (there / "docs/a page.md").read_text() == "é\n"
    assert (there / "link").is_symlink()
    assert (project / ".samestack/collections/ansible_collections/samestack/core").resolve() == there.resolve()


def test_the_second_needs_nobody(project: Path, engine: Path) -> None:
    assert typed(project).returncode == 0
    shutil.rmtree(engine)
    done = typed(project, SAMESTACK_WHERE="1", PATH="/usr/bin:/bin")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{project}/.samestack/engine/1.2.0\n"


def slow_git(tmp_path: Path) -> str:
    """A PATH whose git takes its time, and writes down what it fetches."""
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f"""#!/bin/sh
case " $* " in *" fetch "*) echo "$PPID" >> '{tmp_path}/fetched'; sleep 0.5 ;; esac
exec {shutil.which("git")} "$@"
"""
    )
    wrapper.chmod(0o755)
    return f"{wrapper.parent}:{os.environ['PATH']}"


def test_of_several_first_commands_at_once_one_fetches(project: Path, tmp_path: Path) -> None:
    """The others wait for it: nothing is put into the place of what somebody runs in. A lock left over is no one's."""
    engines = project / ".samestack/engine"
    engines.mkdir(parents=True)
    gone = subprocess.Popen(["true"])
    gone.wait()
    (engines / "1.2.0.lock").symlink_to(f".{gone.pid}")
    environment = os.environ | {"PATH": slow_git(tmp_path)}
    begun = [
        subprocess.Popen([str(project / "samestack"), "x"], cwd=project, env=environment, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    assert [(one.communicate()[0], one.returncode) for one in begun] == [(f"{project}|{project}|x|".encode(), 0)] * 4
    assert len((tmp_path / "fetched").read_text().splitlines()) == 1
    assert sorted(path.name for path in engines.iterdir()) == ["1.2.0", "1.2.0.pinned"]


def test_a_lock_that_is_held_is_waited_for_and_told(project: Path, tmp_path: Path) -> None:
    engines = project / ".samestack/engine"
    engines.mkdir(parents=True)
    lock = engines / "1.2.0.lock"
    lock.symlink_to(f".{os.getpid()}")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sleep").symlink_to(shutil.which("true") or "")
    done = typed(project, PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Process {os.getpid()} has been fetching Samestack 1.2.0 for ten minutes." in done.stderr
    assert [path.name for path in engines.iterdir()] == [lock.name]


def test_a_path_is_taken_from_the_projects_folder(project: Path, engine: Path) -> None:
    pin(project, engine, origin=f"../../{engine.name}")
    assert typed(project, cwd=engine).returncode == 0


def test_what_was_not_pinned_is_not_kept(project: Path, engine: Path) -> None:
    pin(project, engine, digest=f"sha256:{'0' * 64}")
    done = typed(project)
    assert done.returncode == 1
    assert "is something else" in done.stderr
    assert digest_of(engine) in done.stderr
    assert not list((project / ".samestack/engine").iterdir())


def test_another_pin_of_the_version_leaves_alone_what_somebody_runs_in(project: Path, engine: Path) -> None:
    before = pin(project, engine)
    assert typed(project).returncode == 0
    (project / ".samestack/engine/1.2.0/of-mine").write_text("x")
    head = commit(engine, box__run=RUN.replace("|", "/"))
    pin(project, engine)
    for _ in range(2):
        assert typed(project, "x").stdout == f"{project}/{project}/x/"
    there = project / f".samestack/engine/1.2.0-{head[:12]}"
    assert (project / ".samestack/collections/ansible_collections/samestack/core").resolve() == there.resolve()
    assert pinning.engine_of(project, Version(1, 2, 0), head) == there
    assert pinning.kept(project, Version(1, 2, 0), head) == digest_of(engine)
    (project / LOCK).write_text(before.text())
    assert typed(project, "x").stdout == f"{project}|{project}|x|"
    assert (project / ".samestack/engine/1.2.0/of-mine").exists()


def test_what_serves_stays_where_the_next_cannot_be_had(project: Path, engine: Path) -> None:
    before = pin(project, engine)
    assert typed(project).returncode == 0
    pin(project, engine, commit="0" * 40)
    done = typed(project)
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not have it. Nothing was changed." in done.stderr
    (project / LOCK).write_text(before.text())
    assert typed(project).returncode == 0


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"origin": "/nowhere"}, "from = /nowhere: it could not be fetched"),
        ({"origin": "--upload-pack=touch x"}, "this is no address"),
        ({"version": "../../x"}, "version = ../../x: that is none"),
        ({"commit": "main"}, "commit = main: that is none"),
        ({"commit": "--help"}, "commit = --help: that is none"),
    ],
)
def test_a_lock_that_says_nonsense(project: Path, engine: Path, changed: dict[str, str], told: str) -> None:
    pin(project, engine, **changed)
    done = typed(project)
    assert done.returncode == 1
    assert told in done.stderr


def test_another_place_to_fetch_from(project: Path, engine: Path) -> None:
    pin(project, engine, origin="https://samestack.invalid/x")
    assert typed(project, SAMESTACK_FROM=str(engine)).returncode == 0


def test_a_hook_of_git_may_call_it(project: Path, engine: Path) -> None:
    """The hook's repository is the user's own, and stays as it is."""
    site = project.parent
    git(site, "init", "-q")
    mine = commit(site, page="x")
    done = typed(project, "x", GIT_DIR=str(site / ".git"), GIT_INDEX_FILE=str(site / ".git/index"), GIT_PREFIX="")
    assert done.returncode == 0, done.stderr
    assert (git(site, "rev-parse", "HEAD"), git(site, "diff", "--name-only", "HEAD")) == (mine, "")
    assert git(site, "symbolic-ref", "HEAD")
    assert (project / ".samestack/engine/1.2.0/.git").is_dir()


def test_it_may_be_called_through_a_link(project: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/samestack").symlink_to(project / "samestack")
    done = subprocess.run(
        [str(tmp_path / "bin/samestack"), "x"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{tmp_path}|{project}|x|"


def test_make_has_the_engines_words(project: Path, engine: Path) -> None:
    """In a folder whose name has a space, too."""
    commit(engine, Makefile="deploy:\n\t@echo of the engine\n")
    pin(project, engine)
    shutil.copy(THIN / "Makefile", project / "Makefile")
    done = subprocess.run(["make", "deploy"], cwd=project, capture_output=True, text=True, check=False)
    assert done.stdout == "of the engine\n", done.stderr


def test_no_shell_reads_what_the_folder_of_a_vagrantfile_is_called() -> None:
    """It may be /home/bob's site, or worse. In Ruby a text is read by a shell, and a list is not."""
    lines = (THIN / "Vagrantfile").read_text().splitlines()
    code = [line for line in lines if not line.startswith("#")]
    assert not [line for line in code if "`" in line or "%x" in line or "system" in line]
    (asking,) = [line for line in code if "/samestack" in line]
    assert 'IO.popen([{ "SAMESTACK_WHERE" => "1" }, "#{__dir__}/samestack"]' in asking


@pytest.mark.parametrize("flags", [[], ["-n"]])
def test_what_is_typed_for_make_is_no_code(project: Path, engine: Path, flags: list[str]) -> None:
    """make 4.4 expands it where it exports it to what finds the engine."""
    commit(engine, Makefile=(pinning.ENGINE / "Makefile").read_text())
    pin(project, engine)
    shutil.copy(THIN / "Makefile", project / "Makefile")
    hostile = "$(shell touch pwned)`touch pwned`'\"; touch pwned"
    typed_words = ["make", *flags, "deploy", f"REF={hostile}", "ENV=staging"]
    done = subprocess.run(typed_words, cwd=project, capture_output=True, text=True, check=True)
    assert not list(project.rglob("pwned"))
    if not flags:
        assert done.stdout == f"{project}|{project}|deploy|staging|--ref|{hostile}|"


def test_a_clones_command_hands_over_to_the_project(project: Path, engine: Path) -> None:
    """Two versions never work on one project."""
    (project / "inventories").mkdir()
    clone = engine.parent / "clone"
    clone.mkdir()
    shutil.copy(pinning.ENGINE / "samestack", clone / "samestack")
    done = subprocess.run(
        [str(clone / "samestack"), "x"], cwd=project / "inventories", capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{project / 'inventories'}|{project}|x|"


def test_nobody_else_gets_a_clones_command_to_run_something(project: Path, engine: Path) -> None:
    """As somebody might who waits for it in /tmp."""
    below = project / "below"
    below.mkdir()
    clone = engine.parent / "clone"
    clone.mkdir()
    shutil.copy(pinning.ENGINE / "samestack", clone / "samestack")
    theirs = project / "samestack"
    theirs.write_text(f"#!/bin/sh\ntouch '{project}/ran'\n")
    if os.geteuid():
        theirs.unlink()
        theirs.symlink_to("/usr/bin/true")
    else:
        os.chown(theirs, 65534, 65534)
    done = subprocess.run([str(clone / "samestack"), "x"], cwd=below, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f'"{theirs}"' in done.stderr
    assert not (project / "ran").exists()


def test_a_lock_is_read(project: Path, engine: Path, tmp_path: Path) -> None:
    assert read_pin(project) == pin(project, engine)
    assert read_pin(tmp_path) is None
    (project / LOCK).write_text('version = "1"\n')
    with pytest.raises(pinning.SetupError, match="no line `commit = …`"):
        read_pin(project)


SECRET = [
    "https://ada:x@example.org/s.git", "https://ghp_0123@example.org/s.git", "HTTP://a:b@c@example.org/s",
    "ssh://a:b@x/s",
]  # fmt: skip
OPEN = [
    "ssh://git@example.org/s.git", "ssh://git@example.org:22/s.git", "git@example.org:s.git", "https://example.org/a@b",
    "https://example.org:8443/a:b@c", "/srv/a:b@c", "../a@b:c@d",
]  # fmt: skip


@pytest.mark.parametrize("origin", SECRET)
def test_no_secret_is_pinned(tmp_path: Path, origin: str) -> None:
    with pytest.raises(pinning.SetupError, match="a password or a token") as said:
        pinning.own_pin(tmp_path, origin)
    assert "@" not in str(said.value)


@pytest.mark.parametrize("origin", OPEN)
def test_an_address_with_no_secret(origin: str) -> None:
    pinning.refuse_login(origin, "--from", "")


@pytest.mark.parametrize("origin", SECRET + OPEN)
def test_no_secret_is_given_to_git_or_printed(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    """Everybody on the computer sees what git is called with."""
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\nexit 1\n')
    wrapper.chmod(0o755)
    path = f"{wrapper.parent}:{os.environ['PATH']}"
    done = typed(project, SAMESTACK_FROM=origin, PATH=path)
    assert done.returncode == 1
    assert ("a password or a token" in done.stderr) == (origin in SECRET)
    monkeypatch.setattr(updating, "PROJECT", project)
    monkeypatch.setenv("SAMESTACK_FROM", origin)
    monkeypatch.setenv("PATH", path)
    with pytest.raises(pinning.SetupError) as said:
        updating.find_way("")
    assert ("SAMESTACK_FROM: the address has a password" in str(said.value)) == (origin in SECRET)
    if origin in SECRET:
        assert origin.partition("@")[0] not in done.stderr + str(said.value)
        assert not (tmp_path / "called").exists()


def test_what_failed_is_told_without_passwords() -> None:
    with pytest.raises(pinning.SetupError) as said:
        run(["sh", "-c", "echo no https://ghp_1@x.org >&2; exit 1", "https://ada:x@y@example.org/s", "ssh://git@x/s"])
    assert "ghp_1" not in str(said.value)
    assert "sh -c 'echo no https://x.org >&2; exit 1' https://example.org/s ssh://git@x/s" in str(said.value)


def test_whose_project_a_run_is_about(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "inventories").mkdir(parents=True)
        (tmp_path / name / "ansible.cfg").touch()
    one, two = tmp_path / "one", tmp_path / "two"
    assert find_project(one / "inventories") == one
    assert project_of({"SAMESTACK_CALLED_FROM": str(one)}, two) == one
    assert project_of({"SAMESTACK_CALLED_FROM": str(one), "SAMESTACK_PROJECT": str(two)}, one) == two
    # What a clone's own command says
    assert project_of({"SAMESTACK_CALLED_FROM": str(one), "SAMESTACK_PROJECT": ""}, two) == one
    assert project_of({}, two) == two
    assert find_project(tmp_path) == pinning.ENGINE


@pytest.mark.parametrize("mark", ["ansible.cfg", "inventories"])
def test_a_project_of_somebody_elses_above_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    """Its templates would run on this computer. Whoever the engine is of is trusted: root comes there by sudo."""
    (tmp_path / "ansible.cfg").touch()
    (tmp_path / "inventories").mkdir()
    below = tmp_path / "below"
    below.mkdir()
    if os.geteuid():
        stranger = Path("/")
        monkeypatch.setattr(os, "geteuid", lambda: 65534)
    else:
        stranger = below
        os.chown(below, 65533, -1)
        os.chown(tmp_path / mark, 65534, -1)
    monkeypatch.setattr(places, "ENGINE", stranger)
    with pytest.raises(SystemExit, match=f"^{tmp_path} is a project of somebody else's"):
        find_project(below)
    monkeypatch.setattr(places, "ENGINE", tmp_path / mark)
    assert find_project(below) == tmp_path
    # A clone's command is that of its own project, whoever its files are of.
    monkeypatch.setattr(os, "geteuid", lambda: 65532)
    monkeypatch.setattr(places, "ENGINE", tmp_path)
    assert find_project(below) == tmp_path
