"""Notices: their words, and real servers that take them, refuse them, or say nothing."""

from __future__ import annotations

import email
import email.policy
import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from plugins.plugin_utils.release import notifications
from plugins.plugin_utils.transport import apprise_urls, messenger
from tests.support.chat import Chat

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


@pytest.fixture
def chat() -> Iterator[Chat]:
    chat = Chat()
    yield chat
    chat.close()


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
def post_office() -> Iterator[tuple[Letters, str]]:
    letters = Letters()
    controller = Controller(
        letters, hostname="127.0.0.1", port=free_port(), authenticator=authenticate, auth_require_tls=False,
        auth_required=True,
    )  # fmt: skip
    controller.start()
    way = f"mailto://deploy:very-secret@127.0.0.1:{controller.port}"
    yield letters, f"{way}/?from=shop@example.org&to=a@example.org,b@example.org"
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


def test_both_ways(chat: Chat, post_office: tuple[Letters, str]) -> None:
    letters, url = post_office
    assert notifications.send([chat.url, url], START) == []
    (told,) = chat.got
    head, _, rest = notifications.text(START).partition("\n")
    assert (told["title"], told["message"], told["type"]) == (head, rest, "info")
    assert sorted(receiver for receivers, _ in letters.got for receiver in receivers) == [
        "a@example.org",
        "b@example.org",
    ]
    for (receiver,), letter in letters.got:
        assert letter["Subject"] == notifications.title(START)
        assert "shop@example.org" in letter["From"]
        assert letter["To"] == receiver
        assert letter.get_content_type() == "text/plain"
        assert letter.get_content().replace("\r\n", "\n").rstrip("\n") == rest


def test_how_it_ended_has_a_type(chat: Chat) -> None:
    for result in ("ok", "failed"):
        assert notifications.send([chat.url], END | {"result": result}) == []
    assert chat.types == ["success", "failure"]


def test_a_chat_that_wants_other_names(chat: Chat) -> None:
    assert notifications.send([f"{chat.url}?:message=text&:channel=ops"], START) == []
    assert (chat.got[0]["text"], chat.got[0]["channel"]) == (notifications.text(START).partition("\n")[2], "ops")


def test_nothing_is_set_up() -> None:
    code = "from plugins.plugin_utils.release import notifications; notifications.send([], {}); import sys; "
    code += "sys.exit('apprise' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0


def test_a_wrong_password_is_said_and_not_shown(post_office: tuple[Letters, str]) -> None:
    letters, url = post_office
    (problem,) = notifications.send([url.replace("very-secret", "hunter2")], START)
    assert problem.startswith("a notice could not be sent: mailto://127.0.0.1:")
    assert "535" in problem
    assert "hunter2" not in problem
    assert not letters.got


def test_nobody_listens() -> None:
    port = free_port()
    urls = [
        f"json://127.0.0.1:{port}/very-secret",
        f"mailto://u:very-secret@127.0.0.1:{port}/?from=b@example.org&to=a@example.org",
    ]
    to_chat, by_mail = notifications.send(urls, START)
    assert to_chat.startswith(f"a notice could not be sent: json://127.0.0.1:{port}: ")
    assert by_mail.startswith(f"a notice could not be sent: mailto://127.0.0.1:{port}: ")
    assert "refused" in by_mail
    assert "refused" in to_chat
    assert "very-secret" not in by_mail + to_chat


@pytest.mark.parametrize(("status", "said"), [(404, "404"), (500, "500")])
def test_a_chat_that_refuses(status: int, said: str) -> None:
    chat = Chat(status)
    (problem,) = notifications.send([chat.url], START)
    assert said in problem
    assert "very-secret" not in problem
    chat.close()


@pytest.mark.parametrize("url", ["file:///etc/very-secret", "very-secret", "slack://very-secret", "mailto://", ""])
def test_an_address_that_is_none(url: str) -> None:
    (problem,) = notifications.send([url], START)
    assert problem.endswith("is no URL that Apprise can send to")
    assert "very-secret" not in problem


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("json://u:p@chat.example.org:8080/very-secret?key=very-secret", "json://chat.example.org:8080"),
        ("mmosts://chat.example.org/abcdefghijklmnopqrstuvwx", "mmosts://chat.example.org"),
        # The first part of these is a token and no host.
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#team", "slack://"),
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "https://"),
        ("tgram://123456789:abcdefg_hijklmnop/12315544/", "tgram://"),
    ],
)
def test_what_a_service_is_called(url: str, shown: str) -> None:
    assert messenger.name_of(url, messenger.service(url, 1)) == shown
    said = f"no answer from {url} or {url.partition('://')[2]}: p"
    kept = messenger.hidden(said, url, shown)
    assert not {"very-secret", "TIiajkdnlazkcOXrIdevi7FQ", "abcdefg_hijklmnop", "T1JJ3T3L2"} & set(
        re.split("[/?=:@#]", kept)
    )


def test_whoever_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise_urls, "ANSWER_TIMEOUT", 0.3)
    chat = Chat(pause=60)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        urls = [chat.url, f"mailto://u:p@127.0.0.1:{silent.getsockname()[1]}/?from=b@example.org&to=a@example.org"]
        began = time.monotonic()
        problems = notifications.send(urls, START)
        # Apprise itself takes a second to start, and on a busy computer some more.
        assert time.monotonic() - began < 30
    assert len(problems) == 2
    assert all("timed out" in problem for problem in problems)
    chat.close()


def test_apprise_sees_no_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shown = tmp_path / "messenger.py"
    shown.write_text("import json, os, sys\nprint(json.dumps([[' '.join(sorted(os.environ)), sys.stdin.read()[:1]]]))")
    monkeypatch.setattr(apprise_urls, "MESSENGER", shown)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:3128")
    (problem,) = notifications.send(["json://127.0.0.1/x"], START)
    assert "https_proxy" in problem
    assert "AWS" not in problem


def test_who_answers_in_drops_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apprise_urls, "PATIENCE", 31)
    monkeypatch.setattr(apprise_urls, "STARTING", 30)
    chat = Chat(pause=60)
    (problem,) = notifications.send([chat.url], START)
    assert problem == f"a notice could not be sent: {chat.url.partition('/services')[0]}: it took too long"
    chat.close()


def play(tmp_path: Path, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    task = {"samestack.core.send_notice": {"urls": [url], "notice": START}}
    book = tmp_path / "notice.yml"
    book.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(book), "-c", "local"]
    return subprocess.run([*command, *options], cwd=PROJECT, capture_output=True, text=True, check=False)


def test_a_run_warns_and_goes_on_and_shows_no_secret(tmp_path: Path, chat: Chat) -> None:
    good = play(tmp_path, chat.url, "-vvv")
    assert good.returncode == 0, good.stdout
    assert chat.types == ["info", "success"]
    assert "very-secret" not in good.stdout + good.stderr
    chat.close()
    bad = play(tmp_path, chat.url)
    assert bad.returncode == 0, bad.stdout
    assert "a notice could not be sent: json://127.0.0.1:" in " ".join((bad.stdout + bad.stderr).split())
    assert "very-secret" not in bad.stdout + bad.stderr


def test_check_mode_sends_nothing(tmp_path: Path, chat: Chat) -> None:
    assert play(tmp_path, chat.url, "--check").returncode == 0
    assert not chat.got
