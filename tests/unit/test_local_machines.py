"""Local machines that come back after `down`, and those of two clones at one address. Nothing is started here."""

from __future__ import annotations

import json
from subprocess import CompletedProcess
from typing import TYPE_CHECKING

import pytest

from box import connections, machines, providers, trust
from box.common import SetupError, container_name, project_id
from plugins.action import pin_host_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Maker:
    """What makes machines, as far as it is asked here."""

    def __init__(self) -> None:
        self.addresses = {"dev1": "10.0.3.10"}
        self.there: set[str] = set()
        self.running: set[str] = set()

    def has(self, name: str) -> bool:
        return name in self.there

    def is_running(self, name: str) -> bool:
        return name in self.running

    def is_stale(self, _name: str) -> bool:
        return False

    def start(self, name: str) -> None:
        self.there.add(name)
        self.running.add(name)

    def halt(self, name: str) -> None:
        self.running.discard(name)

    def ssh_config(self, _name: str) -> str:
        return "HostName 10.0.3.10\n"


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    made_by = Maker()
    monkeypatch.setattr(machines, "maker", lambda: made_by)
    monkeypatch.setattr(machines, "HALTED", tmp_path / "halted.json")
    monkeypatch.setattr(machines, "HOSTS", tmp_path / "hosts")
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
    for name in ("forget", "connect", "check_live_folder"):
        monkeypatch.setattr(machines, name, lambda *_given, **_options: None)
    return made_by


def test_all_that_ran_comes_back(maker: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    machines.up(["dev1", "staging1", "production1"])
    maker.halt("production1")
    machines.down([])
    assert maker.running == set()
    # Halted again: there was nothing to halt, and nothing is forgotten.
    machines.down([])
    machines.up(["dev1"])
    assert maker.running == {"dev1", "staging1"}
    assert "staging1: ran before `down`, and runs again." in capsys.readouterr().err
    # Once: what is halted by other means stays so.
    maker.halt("staging1")
    machines.up(["dev1"])
    assert maker.running == {"dev1"}


def test_what_was_taken_away_does_not_come_back(maker: Maker) -> None:
    machines.up(["dev1", "staging1"])
    machines.down([])
    maker.there.discard("staging1")
    machines.up(["dev1"])
    assert maker.running == {"dev1"}
    machines.HALTED.write_text(json.dumps(["nobody", "staging1"])[:-3])
    assert machines.halted() == []


def test_the_folder_that_has_the_address_is_named(
    maker: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "recorded", dict)
    monkeypatch.setattr(machines, "answers", lambda _address: True)
    folder = tmp_path / "their site"
    folder.mkdir()
    machines.HOSTS.write_text(f"10.0.3.10 shop.test # samestack: dev1 of {folder}\n")
    with pytest.raises(SetupError) as told:
        machines.check_address("dev1")
    said = str(told.value)
    assert f"dev1 = 10.0.3.10 (of this project): dev1 of {folder} has this address." in said
    assert f"`cd '{folder}' && ./samestack down`" in said
    folder.rmdir()
    with pytest.raises(SetupError, match="That folder is gone"):
        machines.check_address("dev1")
    # Nobody's whom we know
    machines.HOSTS.write_text("10.0.3.10 shop.test\n")
    with pytest.raises(SetupError, match="another machine has this address"):
        machines.check_address("dev1")
    # Another clone's that is halted stands in nobody's way.
    monkeypatch.setattr(machines, "answers", lambda _address: False)
    machines.HOSTS.write_text(f"10.0.3.10 shop.test # samestack: dev1 of {folder}\n")
    machines.check_address("dev1")


def test_the_folder_that_has_a_name_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HOSTS", tmp_path / "hosts")
    monkeypatch.setattr(connections, "names_of", lambda _name: ["shop.test"])
    line = f"10.0.3.10 shop.test # samestack: dev1 of {tmp_path}\n"
    (tmp_path / "hosts").write_text(line)
    with pytest.raises(SetupError, match=rf"`cd {tmp_path} && ./samestack destroy` takes both away"):
        connections.check_hosts_names("dev1")
    (tmp_path / "hosts").write_text("10.0.3.10 shop.test\n")
    with pytest.raises(SetupError, match="Take that line out, or choose another name"):
        connections.check_hosts_names("dev1")


def test_a_machine_that_is_there_is_in_runs_also_with_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was asked for once, and is to be told that it is not any more."""
    answer = CompletedProcess([], 0, '["backup1"]', "")
    monkeypatch.setattr(connections, "ask", lambda *_words: answer)
    monkeypatch.setattr(connections, "SSH_CONFIG", tmp_path / "ssh_config")
    assert connections.idle() == ["backup1"]
    connections.SSH_CONFIG.write_text("Host dev1\n  User vagrant\nHost backup1\n")
    assert connections.idle() == []
    connections.SSH_CONFIG.write_text("Host backup10\n")
    assert connections.idle() == ["backup1"]
    answer.returncode = 1
    assert connections.idle() == []


def test_trust_in_another_authority_is_not_taken_for_trust_in_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machines, "names_of", lambda _name: ["shop.test"])
    monkeypatch.setattr(trust, "AUTHORITY", tmp_path / "ca.crt")
    monkeypatch.setattr(trust, "TRUSTED", tmp_path / "trusted.crt")
    trust.AUTHORITY.write_text("ours")
    offered = "./samestack trust"
    for content, said in (("", offered), ("another's", offered), ("ours", "This computer trusts it.")):
        if content:
            trust.TRUSTED.write_text(content)
        machines.welcome("dev1")
        assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "is_yes"),
    [(b"y", True), (b"Yes \n", True), (b"YES", True), (b"", False), (b"n", False), (b"yeah", False)],
)
def test_y_is_yes_to_a_host_key(answer: bytes, is_yes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(_display: object, text: str) -> bytes:
        asked.append(text)
        return answer

    monkeypatch.setattr(pin_host_key.Display, "prompt_until", ask)
    refusal: Callable[..., str | None] = pin_host_key.ActionModule._refusal
    said = refusal("web1", "SHA256:x (ED25519)", "SHA256:x", {"fingerprint": "", "accept": False})
    assert (said is None) == is_yes
    assert "Type y or yes" in asked[0]


def test_one_machine_is_halted_alone_and_stays_so(maker: Maker) -> None:
    machines.up(["dev1", "staging1"])
    machines.down(["staging1"])
    assert maker.running == {"dev1"}
    machines.down([])
    machines.up(["dev1"])
    assert maker.running == {"dev1"}


def test_all_machines_of_this_computer_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every project that is on it or was, with state and address, however they were made."""
    folders = {name: tmp_path / name for name in ("by-lxc", "by-vagrant", "none")}
    records: dict[str, dict[str, object]] = {
        "by-lxc": {"provider": "lxc", "made_by": "lxc", "network": "10.0.3", "addresses": {"dev1": "10.0.3.11"}},
        "by-vagrant": {"provider": "virtualbox", "network": "192.168.56", "addresses": {"dev1": "192.168.56.12"}},
    }
    for name, folder in folders.items():
        (folder / ".samestack").mkdir(parents=True)
        if name in records:
            (folder / ".samestack/provider.json").write_text(json.dumps(records[name]))
    (folders["by-vagrant"] / ".vagrant/machines/dev1/virtualbox").mkdir(parents=True)
    (folders["by-vagrant"] / ".vagrant/machines/dev1/virtualbox/id").touch()
    # Of an earlier version, whose folder is gone; of a folder that nothing tells; a machine of tests; somebody else's
    gone = tmp_path / "gone"
    containers = {
        container_name("dev1", project_id(folders["by-lxc"])): "10.0.3.11",
        container_name("staging1", project_id(gone)): "10.0.3.20",
        container_name("dev1", "abc123"): "10.0.3.12",
        container_name("trixie-web1", "abc123"): "10.0.3.101",
        "mail": "10.0.3.5",
    }
    (tmp_path / "hosts").write_text(f"10.0.3.20 staging.x.test # samestack: staging1 of {gone}\n")
    started = {container_name("dev1", project_id(folders["by-lxc"]))}
    monkeypatch.setattr(machines, "HOSTS", tmp_path / "hosts")
    monkeypatch.setattr(machines, "registered", lambda: dict.fromkeys(map(str, folders.values()), 0))
    monkeypatch.setattr(machines, "recorded", lambda folder=folders["none"]: providers.recorded(folder))
    monkeypatch.setattr(machines, "names", lambda *, running=False: started if running else set(containers))
    monkeypatch.setattr(machines, "container_address", containers.__getitem__)
    monkeypatch.setattr(machines, "vagrant_says", lambda _folder, _name: "1,dev1,state,running")
    assert [line.split() for line in machines.listed()] == [
        ["PROJECT", "MACHINE", "STATE", "ADDRESS"],
        ["(unknown)", "dev1", "halted", "10.0.3.12"],
        [str(folders["by-lxc"]), "dev1", "running", "10.0.3.11"],
        [str(folders["by-vagrant"]), "dev1", "running", "192.168.56.12"],
        [str(gone), "staging1", "halted", "10.0.3.20"],
        [str(folders["none"]), "-", "none", "-"],
    ]
