"""Local machines that come back after `down`, and those of two clones at one address. Nothing is started here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from box import connections, machines
from box.common import SetupError
from plugins.action import pin_host_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Maker:
    """What makes machines, as far as it is asked here."""

    def __init__(self) -> None:
        self.network = "10.0.3"
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
    machines.down()
    assert maker.running == set()
    # Halted again: there was nothing to halt, and nothing is forgotten.
    machines.down()
    machines.up(["dev1"])
    assert maker.running == {"dev1", "staging1"}
    assert "staging1: ran before `down`, and runs again." in capsys.readouterr().err
    # Once: what is halted by other means stays so.
    maker.halt("staging1")
    machines.up(["dev1"])
    assert maker.running == {"dev1"}


def test_what_was_taken_away_does_not_come_back(maker: Maker) -> None:
    machines.up(["dev1", "staging1"])
    machines.down()
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
    assert f"dev1 = 10.0.3.10 (in Vagrantfile): dev1 of {folder} has this address." in said
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
