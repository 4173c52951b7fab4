"""Code at build time: a dependency's build backend, and the commands of a hostile project.

A release with such a dependency goes live, then an honest one, on each machine; what the dependency found out lies
among its packages. The release that follows is built while the first one's process would still be there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.attacks import hostile_backend
from tests.attacks.conftest import MACHINES
from tests.support import versions
from tests.support.machines import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.attacks.conftest import Everywhere
    from tests.support.machines import Machine
    from tests.support.team import Team

MARK, ROOTS_FILE = hostile_backend.MARK, hostile_backend.ROOTS_FILE
MARKER = "index-password-0f3a"
#: An index with a password, which the public one does not ask for
INDEXES = {"spy": {"url": "https://pypi.org/simple", "user": "reader", "password": MARKER}}
PACKAGE = """[project]
name = "hostile"
version = "1.0"

[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
LOCKED = """[[package]]
name = "hostile"
version = "1.0"
source = { directory = "vendor/hostile" }

[[package]]
name = "noticeboard"
"""
#: Commands of a project's build that leave things, and one that tells what it saw
COMMANDS = [
    "cp /bin/true $STATIC_ROOT/setuid; chmod 6755 $STATIC_ROOT/setuid || true",
    "mkdir -m 0777 $STATIC_ROOT/open && : > $STATIC_ROOT/open/file && chmod 0666 $STATIC_ROOT/open/file",
    "nohup setsid sh -c 'exec -a outlives-its-build sleep 120' >/dev/null 2>&1 &",
    "{ env; ls /srv /proc; id; } > $STATIC_ROOT/seen.txt",
    "ls -A ~ $TMPDIR /tmp /var/tmp /dev/shm > $STATIC_ROOT/left.txt",
    "python3 -c \"import socket; socket.create_connection(('127.0.0.1', 22), 2)\" 2> $STATIC_ROOT/network.txt || true",
]


def hostile(folder: Path) -> None:
    """Make a package in the source a dependency, locked: its build backend attacks."""
    package = folder / "vendor/hostile"
    package.mkdir(parents=True)
    (package / "pyproject.toml").write_text(PACKAGE)
    (package / "backend.py").write_text(Path(hostile_backend.__file__).read_text(encoding="utf-8"))
    versions.replace(folder, "pyproject.toml", '    "redis>=5.2",\n', '    "redis>=5.2",\n    "hostile",\n')
    versions.append(folder, "pyproject.toml", '\n[tool.uv.sources]\nhostile = { path = "vendor/hostile" }\n')
    versions.replace(folder, "uv.lock", '[[package]]\nname = "noticeboard"\n', LOCKED)
    for before, more in (
        ('    { name = "redis" },\n', '    { name = "hostile" },\n'),
        ('    { name = "redis", specifier = ">=5.2" },\n', '    { name = "hostile", directory = "vendor/hostile" },\n'),
    ):
        versions.replace(folder, "uv.lock", before, more + before)


class Attacked:
    """What became of one machine: a hostile release, then honest ones."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.hostile = self.honest = self.commanded = ""
        self.loot: dict[str, Any] = {}
        self.sealed: dict[str, str] = {}

    def go(self, team: Team, environment: str, refs: dict[str, str]) -> Attacked:
        """Deploy them."""
        self.machine.run(f"rm -f {ROOTS_FILE}; umask 077; echo secret > {ROOTS_FILE}")
        self.hostile = team.deploy(environment, refs["hostile"], release_package_indexes=INDEXES)
        self.loot = json.loads(
            self.machine.run(f"cat {self.path(self.hostile)}/venv/lib/python3*/site-packages/hostile/loot.json")
        )
        self.sealed = {self.hostile: self.digests(self.hostile)}
        # Other packages, so that an environment of its own is made of the cache
        self.honest = team.deploy(environment, refs["honest"], release_package_indexes=INDEXES,
                                  release_extra_requirements=["idna"])  # fmt: skip
        self.commanded = team.deploy(environment, refs["honest"], release_build_commands=COMMANDS)
        return self

    def path(self, release: str) -> str:
        return f"/srv/{self.machine.app}/releases/{release}"

    def digests(self, release: str) -> str:
        """Return the digests of all files of a release and its packages."""
        return self.machine.run(
            f"cd {self.path(release)} && find -L source static venv -type f -print0 | sort -z "
            "| xargs -0 sha256sum | sha256sum"
        )


@pytest.fixture(scope="session")
def all_attacked(team: Team) -> dict[str, Attacked]:
    """Both machines at once."""
    team.back_to("v1")
    refs = {"hostile": team.commit("hostile", hostile)}
    team.back_to("v1")
    refs["honest"] = team.commit("honest", versions.touch)
    return team.both(lambda team, kind: Attacked(team.machine(kind)).go(team, kind, refs))


@pytest.fixture(params=MACHINES)
def attacked(request: pytest.FixtureRequest, all_attacked: dict[str, Attacked]) -> Iterator[Attacked]:
    """One of them."""
    yield all_attacked[request.param]


def test_nothing_of_a_build_outlives_it(attacked: Attacked) -> None:
    found = attacked.machine.host.run(f"pgrep -af {hostile_backend.STAYS} | grep -v pgrep").stdout
    assert found == ""
    assert attacked.machine.host.run(f"pgrep -u {attacked.loot['uid']}").stdout == ""
    units = attacked.machine.run("systemctl list-units --all --plain --no-legend 'build-*'")
    assert units.strip() == ""
    builds = f"/var/cache/samestack/{attacked.machine.app}/build"
    wait_for("the folders of builds are there", lambda: not attacked.machine.run(f"ls -A {builds}").strip())


def test_a_sealed_release_stays_as_it_was(attacked: Attacked) -> None:
    assert attacked.digests(attacked.hostile) == attacked.sealed[attacked.hostile]
    marked = attacked.machine.host.run(f"grep -rlE '^# {MARK}' {attacked.path(attacked.hostile)}/source/board")
    assert marked.stdout == ""


def test_the_next_release_is_what_was_committed(attacked: Attacked) -> None:
    for release in (attacked.honest, attacked.commanded):
        found = attacked.machine.host.run(f"cd {attacked.path(release)}/ && grep -rl {MARK} source static venv/ .")
        assert found.stdout == ""


@pytest.mark.parametrize("which", ["hostile", "honest", "commanded"])
def test_everything_sealed_is_roots_alone(attacked: Attacked, which: str) -> None:
    folder = attacked.path(getattr(attacked, which))
    found = attacked.machine.run(
        f"find {folder} $(readlink -f {folder}/venv) "
        r"\( ! -user root -o ! -group root -o ! -type l -perm /022 -o -perm /7000 "
        r"-o ! -type l ! -type f ! -type d -o -type d ! -perm 755 \) -print"
    )
    assert found == ""


def test_roots_files_keep_their_modes(attacked: Attacked) -> None:
    assert attacked.machine.run(f"stat -c '%a %U' {ROOTS_FILE}").split() == ["600", "root"]


def test_passwords_of_indexes_are_not_seen(attacked: Attacked) -> None:
    assert MARKER not in json.dumps(attacked.loot)
    for release in (attacked.hostile, attacked.honest):
        assert attacked.machine.host.run(f"grep -rl {MARKER} {attacked.path(release)}/").stdout == ""
    assert attacked.machine.host.run(f"grep -rl {MARKER} /var/cache/samestack").stdout == ""


def test_a_build_reaches_nobody(attacked: Attacked) -> None:
    assert attacked.loot["reached"] == []
    assert attacked.loot["sockets"] == []
    assert "Error" in attacked.machine.run(f"cat {attacked.path(attacked.commanded)}/static/network.txt")


def test_a_build_sees_nobody(attacked: Attacked) -> None:
    assert attacked.loot["processes"] == []
    assert attacked.loot["others"] == []


def test_a_build_writes_only_its_own(attacked: Attacked) -> None:
    assert attacked.loot["written"] == []
    assert attacked.loot["lingers"] is False


def test_what_is_fetched_is_nobodys_to_change(attacked: Attacked) -> None:
    cache = f"/var/cache/samestack/{attacked.machine.app}/uv"
    assert attacked.machine.host.run(f"grep -rl {MARK} {cache}").stdout == ""
    owners = attacked.machine.run(f"find {cache} -printf '%U\n' | sort -u").split()
    assert owners == [attacked.machine.run(f"id -u {attacked.machine.app}-fetch").strip()]
    assert attacked.loot["cached"] == []


def test_each_build_has_an_account_of_its_own(attacked: Attacked) -> None:
    seen = attacked.machine.run(f"cat {attacked.path(attacked.commanded)}/static/seen.txt")
    (line,) = [line for line in seen.splitlines() if line.startswith("uid=")]
    assert f"uid={attacked.loot['uid']}(" not in line
    assert f"({attacked.machine.app}" not in line


def test_a_build_finds_nothing_of_the_one_before(attacked: Attacked) -> None:
    left = attacked.machine.run(f"cat {attacked.path(attacked.commanded)}/static/left.txt")
    assert MARK not in left
    assert "config" not in left
    shared = attacked.machine.run(f"ls /dev/shm /tmp /var/tmp; ipcs -m; find / -xdev -uid {attacked.loot['uid']}")
    assert MARK not in shared
    assert "0x00005a5a" not in shared


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("ln -s ../../../../../../../etc/passwd $STATIC_ROOT/passwd", "leads out of the release"),
        # By turns, to the end: a name that is a file when it is looked at may be a link when it is opened.
        (
            f"ln -s {ROOTS_FILE} link; : > plain; for i in $(seq 500); do ln -f plain flips; ln -fP link flips; done",
            "leads out of it",
        ),
    ],
)
def test_no_link_leads_out_of_the_release(everywhere: Everywhere, victim: Machine, command: str, words: str) -> None:
    everywhere(victim, build_with_a_link, command, words)


def build_with_a_link(team: Team, machine: Machine, command: str, words: str) -> None:
    machine.run(f"rm -f {ROOTS_FILE}; umask 077; echo secret > {ROOTS_FILE}")
    said = team.refuses("deploy", machine.kind, ref="v1", release_build_commands=[command])
    assert words in said, said
    assert machine.run(f"stat -c '%a %U' {ROOTS_FILE}").split() == ["600", "root"]
