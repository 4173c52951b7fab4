"""How hosts and sites are asked: what each answer means, and what a visitor finds."""

from __future__ import annotations

import datetime
import http.server
import json
import ssl
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from cli import asking
from plugins.module_utils.watch import ping
from plugins.module_utils.watch.visit import Answer, Visit, believing
from plugins.plugin_utils.connection.target import Target
from plugins.plugin_utils.secrets import dates
from plugins.plugin_utils.secrets.authority import issue, parse_authority
from tests.support.expected import CERTIFICATE_AUTHORITY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HERE = asking.Place("web1", "staging --rehearsal", Target("web1", ()), local=True)
FACTS = {"site": {"serves": True, "closed": False}}
NAME = "shop.test"


def answer(**other: Any) -> str:
    about = {"version": 1, "time": time.time(), "host": "web1", "looked": 1, "held": "", "told": {}}
    return json.dumps({**about, "sections": [], "facts": FACTS, **other})


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Whoever is asked over ssh says what is given here."""

    def says(text: str, code: int = 0, error: str = "") -> None:
        (tmp_path / "said").write_text(text, encoding="utf-8")
        (tmp_path / "error").write_text(error, encoding="utf-8")
        lines = ("#!/bin/sh", f"cat {tmp_path}/said", f"cat {tmp_path}/error >&2", f"exit {code}", "")
        (tmp_path / "ssh").write_text("\n".join(lines), encoding="utf-8")
        (tmp_path / "ssh").chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(asking, "is_known", lambda _name: True)
    return says


@pytest.mark.parametrize(("unmade", "hosts"), [(["backup1"], ["production1"]), ([], ["production1", "backup1"])])
def test_a_stand_in_that_was_not_made_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, unmade: list[str], hosts: list[str]
) -> None:
    monkeypatch.chdir(asking.PROJECT)
    monkeypatch.setattr(asking, "left_out", lambda: unmade)
    (found,) = asking.places("production", rehearsal=True, host="").values()
    assert [one.name for one in found] == hosts


@pytest.mark.parametrize(("days", "levels"), [(100, []), (400, ["yellow"])])
def test_the_age_of_secrets_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ssh: Callable[..., None], days: int, levels: list[str]
) -> None:
    inventory = asking.Inventory(str(asking.PROJECT / "inventories/dev.yml"))
    monkeypatch.setattr(asking, "PROJECT", tmp_path)
    vault = tmp_path / "inventories" / "vault"
    vault.mkdir(parents=True)
    date = dates.today() - datetime.timedelta(days=days)
    dates.write(vault / "production.yml", ["vault_database_password"], {"vault_database_password": date})
    here = tuple(asking.secrets_of(inventory, "production", "dev1"))
    ssh(answer())
    (found,) = asking.asked(asking.replace(HERE, here=here)).sections
    assert found["name"] == "secrets"
    assert f"{days} days old" in found["words"]
    assert [one["level"] for one in found["findings"]] == levels
    assert [one["mend"] for one in found["findings"]] == ["./samestack rotate production database"] * len(levels)


def test_what_a_host_says_is_taken(ssh: Callable[..., None]) -> None:
    ssh(answer())
    found = asking.asked(HERE)
    assert (found.trouble, found.state) == ("", "well")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("", 127), "nobody watches it yet"),
        (("", 255, "ssh: connect to host web1 port 22: No route to host"), "No route to host"),
        (("", 1, "sudo: a password is required"), "a password is required"),
        (("<html>",), "Expecting value"),
        (('{"version": 1}',), "is missing"),
    ],
)
def test_what_is_no_answer_is_unknown_and_says_what_to_type(
    ssh: Callable[..., None], given: tuple[Any, ...], words: str
) -> None:
    ssh(*given)
    found = asking.asked(HERE)
    assert words in found.trouble
    assert (found.state, found.mend) == ("unknown", "./samestack provision staging --rehearsal")


@pytest.mark.parametrize(("where", "verb"), [("dev", "up"), ("staging --rehearsal", "rehearse")])
def test_a_local_machine_that_was_never_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str, verb: str
) -> None:
    """Whoever asks for it is told what makes it; whoever asks for all has not asked for it."""
    monkeypatch.setattr(asking, "is_known", lambda _name: False)
    one = asking.Place("web1", where, Target("web1", ()), local=True)
    found = asking.asked(one)
    assert (found.trouble, found.mend, found.state) == (asking.NOT_MADE, f"./samestack {verb}", "unknown")
    monkeypatch.setattr(asking, "places", lambda *_given, **_options: {where: [one]})
    codes = [asking.show(name, rehearsal=False, host="", as_json=False) for name in ("", "staging")]
    assert codes == [0, 2]
    assert f"mend: ./samestack {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(("apart", "state"), [(0, "well"), (3, "well"), (-60, "degraded"), (60, "degraded")])
def test_a_clock_that_is_another_one(ssh: Callable[..., None], apart: float, state: str) -> None:
    ssh(answer(time=time.time() + apart))
    assert asking.asked(HERE).state == state


class Site(http.server.BaseHTTPRequestHandler):
    """Answers what its path asks for."""

    def do_GET(self) -> None:
        if self.path == "/slow/":
            for _ in range(100):
                time.sleep(0.05)
                self.wfile.write(b"x")
            return
        self.send_response(int(self.path.strip("/")))
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    pair = issue([NAME], parse_authority(**CERTIFICATE_AUTHORITY))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(pair["certificate"] + pair["key"])
        file.flush()
        context.load_cert_chain(file.name)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def visit(port: int, page: str, timeout: float = 5, context: ssl.SSLContext | None = None) -> Answer:
    return Visit(NAME, page, "127.0.0.1", context or believing(), timeout, port).ask()


@pytest.mark.parametrize(
    ("status", "well"), [(200, True), (302, True), (404, True), (400, False), (500, False), (503, False)]
)
def test_what_a_visitor_gets(port: int, status: int, well: bool) -> None:
    came = visit(port, f"/{status}/")
    assert (came.status, came.well, came.error) == (status, well, "")
    assert came.certificate


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://[::1]:8000/x", "[::1]:8000"),
        ("https://[2001:db8::7]/x", "[2001:db8::7]"),
        ("http://hc.test:8000/x", "hc.test:8000"),
        ("https://hc.test/x", "hc.test"),
    ],
)
def test_a_request_names_whom_it_asks(url: str, host: str) -> None:
    assert ping.visit(url, well=True).host == host


def test_a_certificate_that_nobody_trusts_is_no_answer(port: int) -> None:
    came = visit(port, "/200/", context=ssl.create_default_context())
    assert not came.well
    assert "the certificate is not good" in came.error


def test_a_site_that_dribbles_is_given_up(port: int) -> None:
    began = time.monotonic()
    came = visit(port, "/slow/", timeout=1)
    assert not came.well
    assert "within 1 s" in came.error or "timed out" in came.error
    assert time.monotonic() - began < 3


def test_nobody_there() -> None:
    came = visit(1, "/200/")
    assert (came.status, came.well) == (0, False)
    assert came.error
