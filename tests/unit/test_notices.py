"""Notices: their words, and real servers that take them, refuse them, or say nothing."""

from __future__ import annotations

import email
import email.policy
import json
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from plugins.plugin_utils.release import notifications

if TYPE_CHECKING:
    from collections.abc import Iterator

# The connection to it does not leave this computer.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH")

PROJECT = Path(__file__).resolve().parents[2]
START: dict[str, Any] = {
    "event": "start", "verb": "deploy", "app": "shop", "environment": "staging", "who": "Eve <eve@example.org>",
    "from": "aaaaaaaaaaaa", "from_label": "v1.1", "to": "bbbbbbbbbbbb", "label": "v1.2",
    "commits": ["1f2e3d Prices with {text}", "4c5b6a Größen"], "site": "https://staging.shop.test/",
}  # fmt: skip
END = START | {"event": "end", "result": "ok", "seconds": 4.2}


class Chat:
    """A chat's webhook."""

    def __init__(self, status: int = 200, pause: float = 0) -> None:
        self.got: list[Any] = []
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["Content-Type"] == "application/json"
                chat.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                time.sleep(pause)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/T0/very-secret"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def chat() -> Iterator[Chat]:
    chat = Chat()
    yield chat
    chat.server.shutdown()


class Letters:
    """Takes mail from whoever knows the password."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    async def take(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.got.append((envelope.rcpt_tos, email.message_from_bytes(envelope.content, policy=email.policy.default)))
        return "250 OK"


# The name that aiosmtpd looks for
setattr(Letters, "handle_" + "DATA", Letters.take)


def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    return AuthResult(success=(data.login, data.password) == (b"deploy", b"very-secret"), handled=False)


@pytest.fixture
def post_office() -> Iterator[tuple[Letters, dict[str, Any]]]:
    letters = Letters()
    controller = Controller(
        letters, hostname="127.0.0.1", port=free_port(), authenticator=authenticate, auth_require_tls=False,
        auth_required=True,
    )  # fmt: skip
    controller.start()
    server = {"host": "127.0.0.1", "port": controller.port, "user": "deploy", "password": "very-secret"}
    yield letters, {"smtp": server, "email_to": ["a@example.org", "b@example.org"], "email_from": "shop@example.org"}
    controller.stop()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def test_the_words() -> None:
    assert notifications.title(START) == "shop staging: deploy begins (v1.1 → v1.2)"
    assert notifications.title(END) == "shop staging: deploy done in 4.2 s (v1.1 → v1.2)"
    failed = END | {"result": "failed", "reason": "it answers 500\n  views.py:3: boom"}
    assert notifications.title(failed) == "shop staging: deploy FAILED in 4.2 s (v1.1 → v1.2)"
    assert notifications.text(failed).splitlines() == [
        "shop staging: deploy FAILED in 4.2 s (v1.1 → v1.2)", "by Eve <eve@example.org>",
        "from: aaaaaaaaaaaa (v1.1)", "to:   bbbbbbbbbbbb (v1.2)", "2 commits:", "  1f2e3d Prices with {text}",
        "  4c5b6a Größen", "  it answers 500", "    views.py:3: boom", "https://staging.shop.test/",
    ]  # fmt: skip
    assert "40 commits:" in notifications.text(START | {"commits": ["x"] * 40})
    assert "and 10 more" in notifications.text(START | {"commits": ["x"] * 40})
    assert "web2 serves aaaaaaaaaaaa" in notifications.text(failed | {"served": {"web1": "b" * 12, "web2": "a" * 12}})
    commit = {"commit": "1f2e3d4c5b6a798", "author": "Eve", "subject": "Prices"}
    assert "  1f2e3d4c5b Prices (Eve)" in notifications.text(START | {"commits": [commit]})
    assert "3 commits" in notifications.text(START | {"commits": 3})
    assert notifications.title(
        {"event": "start", "app": "shop", "environment": "dev", "verb": "deploy", "to": "live-code"}
    )


def test_a_body_of_any_shape_and_no_placeholder_in_what_others_wrote() -> None:
    template = {"type": "message", "size": 2, "parts": [{"t": "{title} {by}", "b": "{text}", "who": "{who}: {verb}{"}]}
    filled = notifications.body(template, START)
    assert filled["type"] == "message"
    assert filled["size"] == 2
    assert filled["parts"][0]["t"] == notifications.title(START) + " {by}"
    assert "Prices with {text}" in filled["parts"][0]["b"]
    assert filled["parts"][0]["who"] == "Eve <eve@example.org>: deploy{"


def test_both_ways(chat: Chat, post_office: tuple[Letters, dict[str, Any]]) -> None:
    letters, settings = post_office
    assert notifications.send(settings | {"webhook_url": chat.url}, START) == []
    assert chat.got == [{"text": notifications.text(START)}]
    ((receivers, letter),) = letters.got
    assert receivers == ["a@example.org", "b@example.org"]
    assert letter["Subject"] == notifications.title(START)
    assert letter["From"] == "shop@example.org"
    assert letter["To"] == "a@example.org, b@example.org"
    assert letter.get_content().replace("\r\n", "\n").rstrip("\n") == notifications.text(START)


def test_nothing_is_set_up() -> None:
    assert notifications.send({"smtp": {"host": "localhost"}, "email_to": [], "webhook_url": ""}, START) == []


def test_a_wrong_password_is_said_and_not_shown(post_office: tuple[Letters, dict[str, Any]]) -> None:
    letters, settings = post_office
    settings["smtp"] |= {"password": "hunter2"}
    (problem,) = notifications.send(settings, START)
    assert "notice by e-mail could not be sent: 127.0.0.1:" in problem
    assert "answers 535" in problem
    assert "hunter2" not in problem
    assert not letters.got


def test_nobody_listens() -> None:
    port = free_port()
    settings = {
        "webhook_url": f"http://127.0.0.1:{port}/very-secret", "email_to": ["a@example.org"],
        "smtp": {"host": "127.0.0.1", "port": port},
    }  # fmt: skip
    by_mail, to_chat = notifications.send(settings, START)
    assert "refused" in by_mail
    assert "refused" in to_chat
    assert "very-secret" not in by_mail + to_chat


@pytest.mark.parametrize(("status", "said"), [(404, "127.0.0.1 answers 404 Not Found"), (500, "answers 500")])
def test_a_chat_that_refuses(status: int, said: str) -> None:
    chat = Chat(status)
    (problem,) = notifications.send({"webhook_url": chat.url}, START)
    assert said in problem
    assert "very-secret" not in problem
    chat.server.shutdown()


def test_an_address_that_is_none() -> None:
    (problem,) = notifications.send({"webhook_url": "file:///etc/very-secret"}, START)
    assert problem == "the notice to the chat could not be sent: notices_webhook_url is no http(s) address"


def test_whoever_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "ANSWER_TIMEOUT", 0.3)
    chat = Chat(pause=2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = {
            "webhook_url": chat.url, "email_to": ["a@example.org"],
            "smtp": {"host": "127.0.0.1", "port": silent.getsockname()[1]},
        }  # fmt: skip
        began = time.monotonic()
        problems = notifications.send(settings, START)
        assert time.monotonic() - began < 1.5
    assert len(problems) == 2
    assert all("timed out" in problem for problem in problems)
    chat.server.shutdown()


def play(tmp_path: Path, settings: dict[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
    task = {"samestack.core.send_notice": {"settings": settings, "notice": START}}
    book = tmp_path / "notice.yml"
    book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(book), "-c", "local"]
    return subprocess.run([*command, *options], cwd=PROJECT, capture_output=True, text=True, check=False)


def test_a_run_warns_and_goes_on_and_shows_no_secret(tmp_path: Path, chat: Chat) -> None:
    good = play(tmp_path, {"webhook_url": chat.url}, "-vvv")
    assert good.returncode == 0, good.stdout
    assert ["begins" in one["text"] for one in chat.got] == [True, False]
    assert "very-secret" not in good.stdout + good.stderr
    chat.server.shutdown()
    chat.server.server_close()
    bad = play(tmp_path, {"webhook_url": chat.url})
    assert bad.returncode == 0, bad.stdout
    assert "notice to the chat could not be sent: 127.0.0.1: " in " ".join((bad.stdout + bad.stderr).split())
    assert "very-secret" not in bad.stdout + bad.stderr


def test_check_mode_sends_nothing(tmp_path: Path, chat: Chat) -> None:
    assert play(tmp_path, {"webhook_url": chat.url}, "--check").returncode == 0
    assert not chat.got
