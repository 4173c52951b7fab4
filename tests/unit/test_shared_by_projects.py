"""What projects on one computer share: boxes, the key that the machines know, and the computer, with other people."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from box import blocks, build, connections, containers, doctor, machines, places, setup
from box.build import Release, debian
from box.common import project_id

DAY = 86400


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    monkeypatch.setattr(build, "BOXES", tmp_path / "box")
    monkeypatch.setattr(build, "SSH_KEY", tmp_path / "ssh_key")
    monkeypatch.setattr(build, "OLD_SSH_KEY", tmp_path / "project/.samestack/box/ssh_key")
    return debian("trixie", "Debian 13")


def box(folder: Path, name: str, days: int) -> Path:
    made = folder / "box" / f"trixie-{name}"
    made.mkdir(parents=True)
    (made / "prepare").touch()
    os.utime(made / "prepare", (time.time() - days * DAY,) * 2)
    return made


def test_two_versions_that_take_turns_do_not_build_each_time(
    release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = box(tmp_path, "mine", 0), box(tmp_path, "theirs", 3)
    old, lain_on = box(tmp_path, "old", 40), box(tmp_path, "lain-on", 40)
    gone: list[str] = []

    def run(command: list[str], *, root: bool) -> str:
        assert root
        if command[0] == "rm":
            gone.append(command[-1])
        return f"lxc.rootfs.path = overlay:{lain_on}/rootfs:/x"

    monkeypatch.setattr(build, "run", run)
    build.remove_older(release, mine)
    assert gone == [str(old)]
    assert theirs.is_dir()


def test_machines_of_an_earlier_version_know_the_key(release: Release, tmp_path: Path) -> None:
    """Its own becomes the computer's, where that has none."""
    assert release.suite
    build.OLD_SSH_KEY.parent.mkdir(parents=True)
    build.OLD_SSH_KEY.write_text("private")
    build.OLD_SSH_KEY.chmod(0o600)
    build.OLD_SSH_KEY.with_suffix(".pub").write_text("public")
    build.ensure_key()
    assert build.SSH_KEY.read_text() == "private"
    assert build.SSH_KEY.stat().st_mode & 0o777 == 0o600
    assert build.SSH_KEY.with_suffix(".pub").read_text() == "public"
    build.OLD_SSH_KEY.write_text("of another project")
    build.ensure_key()
    assert build.SSH_KEY.read_text() == "private"


def test_the_tools_python_is_downloaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where uv has to bring one, for however many clones."""
    given: dict[str, str] = {}
    monkeypatch.setattr(setup, "COMPUTER", tmp_path / "computer")
    monkeypatch.setattr(setup, "TOOLS", tmp_path / "clone")
    monkeypatch.setattr(setup, "install_uv", lambda: None)
    monkeypatch.setattr(setup, "compile_tools", lambda: None)
    monkeypatch.setattr(setup, "run", lambda _command, env: given.update(env))
    setup.install_tools()
    assert given["UV_PYTHON_INSTALL_DIR"] == str(tmp_path / "computer" / "python")
    assert "UV_CACHE_DIR" not in given, "uv's own cache is this user's"


def test_a_key_is_made_where_there_is_none(release: Release) -> None:
    assert release.suite
    build.ensure_key()
    assert build.SSH_KEY.with_suffix(".pub").read_text().startswith("ssh-ed25519 ")


def test_ssh_offers_the_key_of_an_earlier_version_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another project's became the computer's before: machines that are there know this one alone."""
    monkeypatch.setattr(containers, "SSH_KEY", tmp_path / "new")
    monkeypatch.setattr(containers, "OLD_SSH_KEY", tmp_path / "old")
    assert f'IdentityFile "{tmp_path}/new"' in containers.ssh_options("10.0.3.10")
    assert "old" not in containers.ssh_options("10.0.3.10")
    (tmp_path / "old").touch()
    assert f'IdentityFile "{tmp_path}/old"' in containers.ssh_options("10.0.3.10")


THEIRS = "/home/bob/site"


@pytest.fixture
def two_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Somebody else's project is named in /etc/hosts, in a home that is closed to all others; returns that file."""
    hosts, really = tmp_path / "hosts", os.stat
    hosts.write_text(f"10.0.3.12 shop.test # samestack: dev1 of {THEIRS}\n")

    def stat(path: object, *given: Any, **named: Any) -> os.stat_result:
        if str(path).startswith(THEIRS):
            raise PermissionError(13, "Permission denied", THEIRS)
        return really(path, *given, **named)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(os, "stat", stat)
    for module in (blocks, connections, doctor, machines):
        monkeypatch.setattr(module, "HOSTS", hosts)
    monkeypatch.setattr(blocks, "REGISTER", tmp_path / "projects.json")
    monkeypatch.setattr(blocks, "run", lambda _command, **_given: "")
    monkeypatch.setattr(machines, "names", lambda **_given: set())
    monkeypatch.setattr(doctor, "containers", set)
    return hosts


def test_a_folder_that_somebody_else_keeps_closed_is_there(two_people: Path) -> None:
    (line,) = two_people.read_text().splitlines()
    assert list(blocks.strangers()) == ["10.0.3.12"]
    assert connections.way_out(line).startswith(f"It is that of dev1 of {THEIRS}")
    assert list(doctor.leftovers()) == []


@pytest.mark.parametrize("closed", [True, False])
def test_nothing_is_asked_or_run_in_somebody_elses_project(
    two_people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, closed: bool
) -> None:
    if not closed:
        theirs = tmp_path / "theirs"
        (theirs / ".vagrant/machines/dev1/virtualbox").mkdir(parents=True)
        (theirs / ".vagrant/machines/dev1/virtualbox/id").touch()
        (theirs / ".samestack").mkdir()
        (theirs / ".samestack/provider.json").write_text('{"provider": "virtualbox", "network": "192.168.56"}')
        two_people.write_text(f"10.0.3.12 shop.test # samestack: dev1 of {theirs}\n")
        if os.geteuid():
            monkeypatch.setattr(os, "geteuid", lambda: theirs.stat().st_uid + 1)
            monkeypatch.setattr(places, "ENGINE", Path("/"))
        else:
            os.chown(theirs, 65534, -1)
    asked: list[object] = []
    monkeypatch.setattr(machines, "vagrant_says", lambda folder, _name: asked.append(folder) or "")
    assert len(machines.listed()) == 1
    assert asked == []


def test_machines_of_a_project_that_is_gone_are_found_by_its_block(
    two_people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when its names are taken out of /etc/hosts."""
    two_people.write_text("")
    gone = str(tmp_path / "gone")
    blocks.REGISTER.write_text(json.dumps({gone: 3}))
    container = f"samestack-{project_id(tmp_path / 'gone')}-dev1"
    monkeypatch.setattr(doctor, "containers", lambda: {container})
    monkeypatch.setattr(doctor, "LXC_PATH", tmp_path)
    assert blocks.registered() == {}
    (found,) = doctor.leftovers()
    assert found.mend.endswith(f"lxc-destroy -f -n {container}")
