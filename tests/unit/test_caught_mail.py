"""Caught mail as people read it: what is in it is anybody's words."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path

import pytest

import roles.django.files.samestack_mail as mail

PROGRAM = Path(mail.__file__)
SITE = "https://shop.test"
DASHES = b"-" * 79
EVIL = "<script>alert(1)</script>"


def message(subject: str = "Hello", text: str = "Read https://shop.test/a?b=1&c=2.", page: str = "") -> EmailMessage:
    made = EmailMessage()
    made["Subject"], made["From"], made["To"] = subject, "shop@shop.test", "Ada <ada@example.org>"
    made.set_content(text)
    if page:
        made.add_alternative(page, subtype="html")
    return made


def keep(folder: Path, *messages: EmailMessage | bytes, name: str = "20261130-080000-1") -> None:
    """Write messages as Django's backend does."""
    data = b"".join((bytes(one) if isinstance(one, EmailMessage) else one) + b"\n" + DASHES + b"\n" for one in messages)
    (folder / f"{name}.log").write_bytes(data)


def get(folder: Path, path: str) -> tuple[int, dict[str, str], str]:
    status, headers, body = mail.answer(str(folder), SITE, path)
    return status, headers, body.decode()


def test_the_newest_is_the_first(tmp_path: Path) -> None:
    keep(tmp_path, message("one"), message("two"))
    keep(tmp_path, message("three"), name="20261130-090000-7")
    keep(tmp_path, message("no"), name="20261130-090001-7&x=<b>")
    (tmp_path / "notes.txt").write_text("Subject: no\n\nx\n")
    found = mail.caught(str(tmp_path), 10)
    assert [one.header("Subject") for one in found] == ["three", "two", "one"]
    assert [one.header("Subject") for one in mail.caught(str(tmp_path), 2)] == ["three", "two"]
    status, _, page = get(tmp_path, "/")
    assert status == 200
    assert page.index("three") < page.index("two") < page.index("one")


def test_a_line_of_dashes_in_a_text_ends_no_message(tmp_path: Path) -> None:
    keep(tmp_path, message("one", f"above\n{DASHES.decode()}\nbelow"))
    (found,) = mail.caught(str(tmp_path), 10)
    assert "below" in (found.body("plain") or "")


def test_words_of_a_mail_are_words_on_the_page(tmp_path: Path) -> None:
    made = message(EVIL, f"{EVIL} http://x/{EVIL}", EVIL)
    made.replace_header("From", f'"{EVIL}" <x@example.org>')
    made.add_attachment(b"<script>", maintype="text", subtype="html", filename=f'"{EVIL}')
    keep(tmp_path, made)
    for path in ("/", "/20261130-080000-1.0"):
        status, headers, page = get(tmp_path, path)
        assert status == 200
        assert "<script" not in page
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "script-src" not in headers["Content-Security-Policy"]
    assert re.search(r'<iframe sandbox="[^"]*" src="/20261130-080000-1\.0/html"', page)


def test_its_own_page_is_shut_in(tmp_path: Path) -> None:
    keep(tmp_path, message(page=f'<a href="{SITE}/reset">Reset</a>{EVIL}'))
    status, headers, page = get(tmp_path, "/20261130-080000-1.0/html")
    assert status == 200
    assert page.startswith('<base target="_blank">')
    policy = dict(rule.strip().partition(" ")[::2] for rule in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["sandbox"] == "allow-popups allow-popups-to-escape-sandbox"
    assert policy["img-src"] == f"data: {SITE}"
    assert "allow-scripts" not in page + headers["Content-Security-Policy"]


def test_what_is_attached_is_saved(tmp_path: Path) -> None:
    made = message()
    made.add_attachment("<script>", subtype="html", filename="NAME")
    keep(tmp_path, bytes(made).replace(b'filename="NAME"', b"filename*=utf-8''a%22%0D%0ASet-Cookie:%20x%C3%BC.html"))
    status, headers, body = get(tmp_path, "/20261130-080000-1.0/1")
    assert (status, body) == (200, "<script>\n")
    assert headers["Content-Type"] == "application/octet-stream"
    assert re.fullmatch(r"attachment; filename\*=UTF-8''[\w%.~-]+", headers["Content-Disposition"])
    status, headers, body = get(tmp_path, "/20261130-080000-1.0/source")
    assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''20261130-080000-1.0.eml"
    assert "Subject: Hello" in body


def test_pictures_that_come_along_are_in_their_places(tmp_path: Path) -> None:
    made = message(page='<img src="cid:logo@x"><img src="cid:drawing@x">')
    part = made.get_body(("html",))
    assert isinstance(part, EmailMessage)
    part.add_related(b"png", maintype="image", subtype="png", cid="<logo@x>")
    part.add_related(b"svg", maintype="image", subtype="svg+xml", cid="<drawing@x>")
    keep(tmp_path, made)
    page = get(tmp_path, "/20261130-080000-1.0/html")[2]
    assert 'src="data:image/png;base64,cG5n"' in page
    assert 'src="cid:drawing@x"' in page


@pytest.mark.parametrize("path", ["/x", "/20261130-080000-1.1", "/20261130-080000-1.0/9", "/20261130-080000-1.0/html",
                                  "/../../etc/passwd", "/20261130-080000-1.0/../x"])  # fmt: skip
def test_what_is_not_there(tmp_path: Path, path: str) -> None:
    keep(tmp_path, message())
    assert get(tmp_path, path)[0] == 404


@pytest.mark.parametrize("broken", [b"\xff\xfe", b"Subject: =?nope?b?//?=\nTo: <<>;,\n\nx", b"From: [\n\n",
                                    b"Content-Type: text/plain; charset=nope\nSubject: s\n\nbody \xe9"])  # fmt: skip
def test_whatever_it_is_is_shown_somehow(tmp_path: Path, broken: bytes) -> None:
    keep(tmp_path, broken)
    assert get(tmp_path, "/")[0] == 200
    assert get(tmp_path, "/20261130-080000-1.0")[0] == 200
    assert mail.as_text(mail.caught(str(tmp_path), 1)[0])


def test_no_other_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("Subject: secret\n\nx\n")
    (tmp_path / "1.log").symlink_to(tmp_path / "secret")
    (tmp_path / "2.log").mkdir()
    assert mail.caught(str(tmp_path), 10) == []


def test_on_a_terminal(tmp_path: Path) -> None:
    keep(tmp_path, message("first"), message("second", text="plain words"))
    keep(tmp_path, message("third", page="<style>x</style><p>Hi <a href='https://x/y'>here</a></p>"), name="3")
    one = EmailMessage()
    one["Subject"] = "only a page"
    one.set_content("<title>x</title><p>Hi <a href='https://x/y'>here</a></p><br>bye", subtype="html")
    keep(tmp_path, one, name="4")

    def said(*words: str) -> str:
        command = [sys.executable, "-I", str(PROGRAM), str(tmp_path), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert [line.split("\t")[0::3] for line in said("list", "3").splitlines()] == [
        ["1", "only a page"], ["2", "third"], ["3", "second"],
    ]  # fmt: skip
    assert "plain words" in said("show", "3")
    shown = said("show", "1")
    assert "Hi  <https://x/y> here" in shown
    assert shown.rstrip().endswith("\nbye")
    assert said("show", "9") == "There is no message 9.\n"


def test_over_a_socket(tmp_path: Path) -> None:
    keep(tmp_path, message())
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, "-I", str(PROGRAM), str(tmp_path), "answer", SITE]
        ours.sendall(b"GET /?x=1 HTTP/1.0\r\nHost: mail.shop.test\r\n\r\n")
        subprocess.run(command, stdin=theirs.fileno(), check=True, timeout=20)
        theirs.close()
        said = b"".join(iter(lambda: ours.recv(65536), b"")).decode()
    head, _, body = said.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.0 200")
    assert "X-Content-Type-Options: nosniff" in head
    assert "Hello" in body
