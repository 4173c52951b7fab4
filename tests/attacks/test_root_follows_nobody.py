"""Root follows nobody's links and trusts nobody's folders: service accounts put something in its way."""

from __future__ import annotations

import json
import re
import shlex
import time
from typing import TYPE_CHECKING, Any

import pytest

from cli import logs
from tests.attacks.conftest import Actor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.attacks.conftest import Everywhere
    from tests.support.machines import Machine
    from tests.support.team import Team

#: What apt reads as root, whoever has written it
APT = "/etc/apt/apt.conf.d"
#: What one recording may take here, in seconds
RECORDING = 60


@pytest.fixture
def postgres(victim: Machine) -> Actor:
    """Whoever broke into the database server."""
    return Actor(victim, "postgres")


@pytest.fixture
def person(victim: Machine) -> Iterator[Actor]:
    """Somebody with an account and no rights."""
    victim.run("id mallory >/dev/null 2>&1 || useradd --create-home --shell /bin/bash mallory")
    yield Actor(victim, "mallory")
    victim.run("pkill -KILL -u mallory || true; rm -rf /tmp/mallory; userdel --remove mallory 2>/dev/null")


def state_of(machine: Machine, folder: str) -> str:
    """Return names, owners, modes and contents of a folder's files."""
    return str(machine.run(f"cd {folder} && stat -c '%n %U %G %a %F' . * && sha256sum *"))


@pytest.mark.parametrize(
    ("account", "folder"),
    [
        ("postgres", "/etc/postgresql/*/main/conf.d"),
        ("postgres", "/etc/postgresql/*/main"),
        ("postgres", "/etc/postgresql/*"),
        ("redis", "/etc/redis"),
    ],
)
def test_a_service_does_not_decide_what_is_in_its_configuration(victim: Machine, account: str, folder: str) -> None:
    found = victim.run(f"ls -d {folder}").split()[0]
    actor = Actor(victim, account)
    before = victim.run(f"ls -la {found}")
    for attempt in (
        f"ln -s {APT} {found}/link", f"touch {found}/file", f"mkfifo {found}/fifo",
        f"mv {found} {found}.old && ln -s {APT} {found}", f"chmod 0777 {found}",
        f"for file in {found}/*; do rm -f $file && exit 0; done; exit 1",
        f"for file in {found}/*; do test -f $file && echo x >>$file && exit 0; done; exit 1",
    ):  # fmt: skip
        status, said = actor.tries(attempt)
        assert status, f"{attempt}\n{said}"
    assert victim.run(f"ls -la {found}") == before


def test_the_configuration_folder_leads_elsewhere_since_before(everywhere: Everywhere, victim: Machine) -> None:
    """On a machine that was built when the folder was the server's, it is a link by now."""
    everywhere(victim, lead_elsewhere)


def lead_elsewhere(team: Team, machine: Machine) -> None:
    config = machine.run("ls -d /etc/postgresql/*/main").strip()
    machine.run(f"chown postgres: {config} {config}/conf.d")
    before = state_of(machine, APT)
    Actor(machine, "postgres").does(f"cd {config} && mv conf.d aside && ln -s {APT} conf.d")
    try:
        said = team.refuses("provision", machine.kind, tags="postgresql")
        assert f"{config}/conf.d is a link to {APT}, and postgres's" in said
        assert f"rm {config}/conf.d" in said
        assert state_of(machine, APT) == before
    finally:
        machine.run(f"cd {config} && rm conf.d && mv aside conf.d")
    team.samestack("provision", machine.kind, tags="postgresql")
    assert machine.run(f"stat -c %U {config} {config}/conf.d").split() == ["root", "root"]


def record(machine: Machine) -> dict[str, Any]:
    """Return what the recorder finds, in a time that nobody has made longer."""
    began = time.monotonic()
    found: dict[str, Any] = json.loads(machine.run("/usr/local/lib/samestack/record --look --answer"))
    assert time.monotonic() - began < RECORDING
    return found["manifest"]


def test_the_recorder_waits_for_nobody_and_reads_for_nobody(victim: Machine, person: Actor) -> None:
    person.does(
        "mkdir -p ~/.ssh /tmp/mallory/inner && cp /bin/true /tmp/mallory/inner/x && chmod 4755 /tmp/mallory/inner/x\n"
        "(cd /tmp/mallory; timeout 40 sh -c 'while :; do touch y; rm -f y; ln -sfn / z; rm -f z; done' >x 2>&1 &)\n"
        "cd ~/.ssh && mkfifo authorized_keys && ln -s /etc/shadow authorized_keys2\n"
        "truncate -s 1T /tmp/mallory/endless && chmod 0755 /tmp/mallory/endless\n"
        "python3 - <<'EOF'\n"
        "import os\n"
        "os.chdir('/tmp/mallory')\n"
        "for _ in range(1500):\n"
        "    os.mkdir('d'); os.chdir('d')\n"
        "EOF"
    )
    found = record(victim)
    sections, missing = found["sections"], found["missing"]
    assert {"accounts", "files", "postgresql", "units"} <= set(sections), missing
    assert not [key for key in sections["accounts"] if key.startswith("key:mallory")]
    home = "files//home/mallory/.ssh"
    assert "a FIFO of mallory's" in missing[f"{home}/authorized_keys"]
    assert "a link to /etc/shadow, and mallory's" in missing[f"{home}/authorized_keys2"]
    # Folders that lie too deep, and names that come and go, hide nothing beside them.
    assert "setuid:/tmp/mallory/inner/x" in sections["files"]
    assert "too deep" in missing["files//tmp"]


def test_the_application_does_not_decide_whom_visitors_get(victim: Machine, app: Actor) -> None:
    folder = f"/run/{victim.app}"
    live = victim.run(f"readlink {folder}/live.sock")
    for attempt in (
        f"ln -sfn /run/postgresql/.s.PGSQL.5432 {folder}/live.sock", f"rm -f {folder}/live.sock",
        f"mkdir {folder}/live.sock.new", f"mkdir {folder}/live.sock.boot", f"mv {folder}/web {folder}/aside",
        f"chmod 0777 {folder}",
    ):  # fmt: skip
        status, said = app.tries(attempt)
        assert status, f"{attempt}\n{said}"
    assert victim.run(f"readlink {folder}/live.sock") == live


def test_the_application_does_not_stop_its_next_process(everywhere: Everywhere, victim: Machine) -> None:
    """What stands where the next socket comes is removed, whatever it is."""
    everywhere(victim, stand_where_the_socket_comes)


def stand_where_the_socket_comes(team: Team, machine: Machine) -> None:
    folder = f"/run/{machine.app}/web"
    live = machine.run(f"readlink /run/{machine.app}/live.sock").strip().split("/")[-1]
    instance = live.removesuffix(".sock")
    other = instance.removesuffix("-2") if instance.endswith("-2") else f"{instance}-2"
    Actor(machine, machine.app).does(
        f"cd {folder} && rm -f fifo && mkdir -p {other}.sock/inner && ln -s /etc {other}.sock/inner/link && mkfifo fifo"
    )
    machine.run(f"touch /var/lib/samestack/owed/{machine.app}")
    team.samestack("provision", machine.kind, tags="django")
    assert machine.run(f"readlink /run/{machine.app}/live.sock").strip() == f"web/{other}.sock"
    assert machine.browser().get("/").status == 200
    assert machine.run("ls -d /etc/passwd")
    machine.run(f"rm -f {folder}/fifo")


@pytest.mark.parametrize("name", ["media", "mail", "../releases", "../current", "../static-history", "../venvs"])
def test_the_applications_folders_are_not_replaced(victim: Machine, app: Actor, name: str) -> None:
    folder = f"/srv/{victim.app}/shared/{name}"
    before = victim.run(f"stat -c '%n %U %a %F' {folder} 2>/dev/null || true")
    assert app.tries(f"mv {folder} {folder}.old && ln -s /etc {folder}")[0]
    assert app.tries(f"ln -sfn /etc {folder}x")[0]
    assert victim.run(f"stat -c '%n %U %a %F' {folder} 2>/dev/null || true") == before


def test_logs_are_read_with_the_rights_of_a_reader_of_logs(victim: Machine, postgres: Actor) -> None:
    """Whoever has the database server may make names in the folder of its logs."""
    postgres.does("cd /var/log/postgresql && ln -sfn /etc/shadow evil.log && mkfifo fifo.log")
    try:
        said = victim.run(f"sleep 4 | setsid {shlex.join(logs.remote_command(victim.app))} 2>&1 || true")
    finally:
        victim.run("cd /var/log/postgresql && rm -f evil.log fifo.log")
    assert re.search(r"^postgresql .*LOG:", said, re.MULTILINE)
    assert "root:" not in said
