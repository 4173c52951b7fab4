"""Mail that was caught on a machine (app_catch_mail), for people to read: a page, and text for a terminal.

    python3 -I samestack_mail.py FOLDER list NUMBER             the newest, one a line
    python3 -I samestack_mail.py FOLDER show NUMBER             one of them; 1 is the newest
    python3 -I samestack_mail.py FOLDER answer https://SITE     one request of HTTP on standard input, which is a socket

What is in mail is anybody's words. They are escaped where they are shown; a mail's own page has a sandbox and a policy
around it, and runs and loads nothing but pictures of the site; whatever else is attached is saved, never shown.
"""

import base64
import email
import email.policy
import html
import os
import re
import socket
import socketserver
import stat
import sys
import urllib.parse
from email.message import EmailMessage
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler
from typing import Any

# What Django's backend writes behind each message; only where another one or nothing follows
BETWEEN = re.compile(rb"\n-{79}\n(?=[!-9;-~]+:|\Z)")
NAME = re.compile(r"[A-Za-z0-9-]+\.log")
LARGEST = 64 << 20
SHOWN = 200
HEADERS = ("From", "To", "Cc", "Bcc", "Reply-To", "Subject", "Date")
LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
STYLE = """body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 1rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .3rem .6rem; vertical-align: top }
tr + tr { border-top: 1px solid #8884 } th { white-space: nowrap } td { overflow-wrap: anywhere }
iframe { width: 100%; height: 75vh; border: 1px solid #8888; background: #fff }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; padding: 1rem }
@media (prefers-color-scheme: dark) { body { background: #222; color: #eee } a { color: #8cf } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'none'; base-uri 'none'"
# Links lead to another window, which is one like any other; nothing else gets out.
SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
INNER = "sandbox {sandbox}; default-src 'none'; style-src 'unsafe-inline'; font-src data:; img-src data: {site}; "
INNER += "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"


class Mail:
    """One message."""

    def __init__(self, key: str, data: bytes) -> None:
        """Take the name by which it is known, and its bytes."""
        self.key = key
        self.data = data
        self.message = email.message_from_bytes(data, _class=EmailMessage, policy=email.policy.default)

    def header(self, name: str) -> str:
        """Return a header; one that cannot be read, as it stands there."""
        try:
            return str(self.message.get(name, ""))
        except Exception:  # whatever a sender has made of it
            raw = [value for key, value in self.message.raw_items() if key.lower() == name.lower()]
            return str(raw[0]) if raw else ""

    def body(self, kind: str) -> str | None:
        """Return its text as `plain` or `html`, None where it has none."""
        part = self.message.get_body((kind,))
        return None if part is None else text_of(part)

    def attachments(self) -> list[tuple[int, str, Any]]:
        """Return (number, name, part) of what is attached."""
        shown = [self.message.get_body((kind,)) for kind in ("plain", "html")]
        parts = [part for part in self.message.walk() if not part.is_multipart()]
        found = [(number, part) for number, part in enumerate(parts) if all(part is not one for one in shown)]
        return [(number, part.get_filename() or f"part-{number}", part) for number, part in found]


def text_of(part: Any) -> str:
    """Return the text of a part, whatever it says of its own letters."""
    data = part.get_payload(decode=True) or b""
    try:
        return str(data.decode(part.get_content_charset() or "utf-8", errors="replace"))
    except LookupError:
        return str(data.decode("latin-1"))


def read(path: str) -> bytes:
    """Return what is in a regular file, "" where it is something else: the application may write what it likes."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return file.read(LARGEST) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
    except OSError:
        return b""


def caught(folder: str, most: int) -> list[Mail]:
    """Return the newest messages of a folder, the newest first."""
    found: list[Mail] = []
    # Named after the moment, by Django
    for name in sorted(filter(NAME.fullmatch, os.listdir(folder)), reverse=True):
        parts = [part for part in BETWEEN.split(read(os.path.join(folder, name))) if part.strip()]
        found += [Mail(f"{name[:-4]}.{number}", part) for number, part in reversed(list(enumerate(parts)))]
        if len(found) >= most:
            break
    return found[:most]


class Words(HTMLParser):
    """The words of a page, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Leave out what is not seen; break lines; keep links."""
        self.hidden += tag in ("style", "script", "title")
        if tag in ("p", "br", "div", "tr", "li", "h1", "h2", "h3"):
            self.words.append("\n")
        link = dict(attrs).get("href")
        if tag == "a" and link:
            self.words.append(f" <{link}> ")

    def handle_endtag(self, tag: str) -> None:
        """Show again what comes after it."""
        self.hidden -= tag in ("style", "script", "title") and self.hidden > 0

    def handle_data(self, data: str) -> None:
        """Keep the words."""
        if not self.hidden:
            self.words.append(re.sub(r"\s+", " ", data))


def words_of(page: str) -> str:
    """Return what a page says, as lines."""
    parser = Words()
    parser.feed(page)
    lines = [line.strip() for line in "".join(parser.words).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def linked(text: str) -> str:
    """Return a text as HTML, addresses in it as links."""
    parts, end = [], 0
    for found in LINK.finditer(text):
        address = html.escape(found[0])
        link = f'<a href="{address}" target="_blank" rel="noopener noreferrer">{address}</a>'
        parts += [html.escape(text[end : found.start()]), link]
        end = found.end()
    return "".join([*parts, html.escape(text[end:])])


def document(title: str, body: str, head: str = "") -> bytes:
    """Return a page of ours."""
    start = f'<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">{head}'
    return f"{start}<title>{html.escape(title)}</title><style>{STYLE}</style>{body}".encode()


def list_page(mails: list[Mail]) -> bytes:
    """Return the page that lists messages; it is loaded again by itself."""
    rows = [
        "<tr>" + "".join(f"<td>{html.escape(mail.header(name))}</td>" for name in ("Date", "From", "To"))
        + f'<td><a href="/{mail.key}">{html.escape(mail.header("Subject")) or "(no subject)"}</a></td></tr>'
        for mail in mails
    ]  # fmt: skip
    head = "<tr><th>Date</th><th>From</th><th>To</th><th>Subject</th></tr>"
    table = f"<table>{head}{''.join(rows)}</table>" if rows else "<p>No mail was caught yet.</p>"
    return document("Caught mail", f"<h1>Caught mail</h1>{table}", '<meta http-equiv="refresh" content="10">')


def mail_page(mail: Mail) -> bytes:
    """Return the page of a message."""
    rows = [f"<tr><th>{name}</th><td>{html.escape(text)}</td></tr>" for name in HEADERS if (text := mail.header(name))]
    attached = [
        f'<li><a href="/{mail.key}/{number}" download>{html.escape(name)}</a></li>'
        for number, name, _ in mail.attachments()
    ]
    plain = mail.body("plain")
    parts = [
        f'<p><a href="/">Caught mail</a> · <a href="/{mail.key}/source" download>Source</a></p>',
        f"<table>{''.join(rows)}</table>",
        f"<ul>{''.join(attached)}</ul>" if attached else "",
        f'<iframe sandbox="{SANDBOX}" src="/{mail.key}/html" title="The message"></iframe>'
        if mail.body("html") is not None
        else "",
        f"<pre>{linked(plain)}</pre>" if plain is not None else "",
    ]
    return document(mail.header("Subject") or "(no subject)", "".join(parts))


def inner_page(mail: Mail) -> bytes:
    """Return a message's own page, with the pictures that it brings along in their places."""
    page = mail.body("html") or ""
    for _, _, part in mail.attachments():
        name = str(part.get("Content-ID", "")).strip("<> ")
        if name and part.get_content_type() in PICTURES:
            data = base64.b64encode(part.get_payload(decode=True) or b"").decode()
            page = page.replace(f"cid:{name}", f"data:{part.get_content_type()};base64,{data}")
    return f'<base target="_blank">{page}'.encode()


def answer(folder: str, site: str, path: str) -> tuple[int, dict[str, str], bytes]:
    """Return (status, headers, body) for a path."""
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": POLICY}
    if path == "/":
        return 200, headers, list_page(caught(folder, SHOWN))
    key, _, what = path.strip("/").partition("/")
    mail = next((one for one in caught(folder, sys.maxsize) if one.key == key), None)
    if mail and not what:
        return 200, headers, mail_page(mail)
    if mail and what == "html" and mail.body("html") is not None:
        return 200, {**headers, "Content-Security-Policy": INNER.format(sandbox=SANDBOX, site=site)}, inner_page(mail)
    files = {"source": (f"{mail.key}.eml", mail.data)} if mail else {}
    for number, name, part in mail.attachments() if mail else ():
        files[str(number)] = (name, part.get_payload(decode=True) or b"")
    if what in files:
        name, data = files[what]
        saved = f"attachment; filename*=UTF-8''{urllib.parse.quote(name, safe='')}"
        return 200, {**headers, "Content-Type": "application/octet-stream", "Content-Disposition": saved}, data
    return 404, headers, document("Not found", '<p>There is no such message. <a href="/">Caught mail</a></p>')


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    timeout = 10

    def do_GET(self) -> None:
        """Answer."""
        status, headers, body = answer(sys.argv[1], sys.argv[3], self.path.partition("?")[0])
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body)), "Cache-Control": "no-store",
                            "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
                            "Cross-Origin-Opener-Policy": "same-origin"}.items():  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep silent: Nginx writes who has asked for what."""


def as_text(mail: Mail) -> str:
    """Return a message for a terminal."""
    lines = [f"{name + ':':10}{text}" for name in HEADERS if (text := mail.header(name))]
    lines += [f"{'Attached:':10}{name}" for _, name, _ in mail.attachments()]
    plain = mail.body("plain")
    return "\n".join([*lines, "", plain if plain is not None else words_of(mail.body("html") or "")])


def say(text: str) -> None:
    """Write to standard output, whatever language the machine speaks."""
    sys.stdout.buffer.write(text.encode(errors="replace") + b"\n")


def main(folder: str, verb: str, more: str) -> None:
    """Do what the command line asks for."""
    if verb == "answer":
        connection, nobody = socket.socket(fileno=0), ("nginx", 0)
        Handler(connection, nobody, socketserver.BaseServer(nobody, Handler))
        return
    mails = caught(folder, int(more))
    if verb == "show":
        say(as_text(mails[-1]) if len(mails) == int(more) else f"There is no message {more}.")
        return
    for number, mail in enumerate(mails, 1):
        say("\t".join([str(number), *(" ".join(mail.header(name).split()) for name in ("Date", "To", "Subject"))]))


if __name__ == "__main__":
    main(*sys.argv[1:])
