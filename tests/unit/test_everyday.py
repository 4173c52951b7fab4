"""mail, open and attach: what they ask the machine, and what of its words reaches the terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

import click
import pytest
from click.testing import CliRunner

from cli import computer, debugging, mail
from cli.__main__ import command
from plugins.plugin_utils.connection.target import Target

KNOWN: dict[str, Any] = {
    "app_name": "shop", "app_domains": ["shop.test"], "app_mail_domain": "mail.shop.test", "app_live_path": "/srv/live",
    "app_debugger": False,
}  # fmt: skip


class Place:
    """A machine that remembers what it was asked."""

    says = ""
    known = KNOWN
    asked: list[str]

    def __init__(self, *_where: Any, **_more: Any) -> None:
        self.variables = self.known
        type(self).asked = []

    def must_say(self, remote: list[str]) -> str:
        type(self).asked = remote
        return self.says

    def become(self, remote: list[str]) -> None:
        type(self).asked = remote
        raise click.exceptions.Exit(0)

    def target(self) -> Target:
        return Target("dev1", ("-F", "ssh_config"))


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> type[Place]:
    class Here(Place):
        """For one test."""

    for module in (mail, computer, debugging):
        monkeypatch.setattr(module, "Place", Here)
    return Here


def typed(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(command(), list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


def test_mail_is_listed_without_what_moves_a_terminal(place: type[Place]) -> None:
    place.says = "1\tMon, 30 Nov 2026\tada@example.org\tHi \x1b[2J\x1b]0;title\x07there\u202e\n2\tx\ty\n"
    status, said = typed("mail")
    assert status == 0
    assert not set(said) & {"\x1b", "\x07", "\u202e"}
    assert "Hi there" in said
    assert said.endswith("In a browser: https://mail.shop.test\n")
    assert place.asked[:6] == ["env", "-C", "/", "sudo", "-u", "shop"]
    assert place.asked[-3:] == ["/srv/shop/shared/mail", "list", "20"]


def test_one_mail_is_shown_without_it_too(place: type[Place]) -> None:
    place.says = "Subject:  x\x1b[31m\n\nbody\n"
    assert typed("mail", "--show", "2") == (0, "Subject:  x\n\nbody\n\n")
    assert place.asked[-2:] == ["show", "2"]


def test_no_mail(place: type[Place]) -> None:
    place.known = {**KNOWN, "app_mail_domain": ""}
    assert typed("mail", "staging", "--rehearsal") == (0, "No mail was caught yet.\n")


def test_mail_is_deleted_as_the_application(place: type[Place]) -> None:
    assert typed("mail", "--clear")[0] == 0
    assert place.asked[:7] == ["env", "-C", "/", "sudo", "-u", "shop", "find"]


def test_the_address_is_said_where_there_is_no_browser(place: type[Place], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name == "xdg-open" else None)
    assert typed("open") == (0, "https://shop.test\n")
    assert typed("open", "--mail") == (0, "https://mail.shop.test\n")
    place.known = {**KNOWN, "app_mail_domain": ""}
    status, said = typed("open", "staging", "--mail")
    assert status == 1
    assert "`samestack mail` lists it" in said


def test_the_browser_is_told(place: type[Place], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[str]] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name == "xdg-open" else None)

    def run(words: list[str], **_more: Any) -> subprocess.CompletedProcess[str]:
        told.append(words)
        return subprocess.CompletedProcess(words, 0)

    monkeypatch.setattr(subprocess, "run", run)
    assert typed("open")[0] == 0
    assert told == [["xdg-open", "https://shop.test"]]
    assert place


def test_a_terminal_at_a_breakpoint(place: type[Place]) -> None:
    assert typed("attach")[0] == 0
    assert place.asked[:3] == ["sudo", "-u", "shop"]
    assert place.asked[-1] == "/run/shop/web/breakpoints"


def test_releases_are_not_debugged(place: type[Place]) -> None:
    place.known = {**KNOWN, "app_live_path": ""}
    status, said = typed("attach")
    assert status == 1
    assert said.startswith("app_live_path is empty (in inventories/group_vars/dev/differences.yml)")


def test_a_port_of_this_computer_alone_leads_to_the_debugger(
    place: type[Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[list[str]] = []

    def execvp(_program: str, words: list[str]) -> None:
        became.append(words)
        raise SystemExit(0)

    monkeypatch.setattr(os, "execvp", execvp)
    place.known = {**KNOWN, "app_debugger": True}
    status, said = typed("attach", "--port", "6000")
    assert status == 0
    assert "localhost:6000" in said
    (words,) = became
    assert words[:2] == ["ssh", "-N"]
    assert "LocalForward=127.0.0.1:6000 127.0.0.1:5678" in words
    # What others share would keep the port after this.
    assert "ControlPath=none" in words
