"""Notices of a deployment, a rollback, a promotion: their words, and the mail and the webhook that carry them.

Runs on the control node. A notice is a mapping: `event` (start, end), `verb`, `app`, `environment`, `who`, `from` and
`to` (releases) with `from_label` and `label`, `commits` (lines, or how many), and at the end `result` (ok, failed),
`seconds`, `reason`, `served` (the release of each host); `site` is the address where it serves.
"""

from __future__ import annotations

import http.client
import json
import smtplib
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING, Any

from .ledger_table import short_label
from .run import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Seconds: for each answer of a server, and for all of it.
ANSWER_TIMEOUT, PATIENCE = 5, 10
COMMITS_SHOWN, REASON_LINES = 30, 12
SLACK = {"text": "{text}"}
PORTS = {"none": 25, "starttls": 587, "tls": 465}


def title(notice: Mapping[str, Any]) -> str:
    """Return the notice in one line."""
    before, after = (name(notice, side) for side in ("from", "to"))
    way = f"{before} → {after}" if before and after and before != after else after
    about = f" ({way})" if way else ""
    return one_line(f"{notice.get('app')} {notice.get('environment')}: {notice.get('verb')} {state(notice)}") + about


def state(notice: Mapping[str, Any]) -> str:
    """Return how far it is."""
    if notice.get("event") == "start":
        return "begins"
    took = f" in {notice['seconds']} s" if notice.get("seconds") else ""
    return f"FAILED{took}" if notice.get("result") == "failed" else f"done{took}"


def name(notice: Mapping[str, Any], side: str) -> str:
    """Return a release's label where it has one, else its id."""
    label = notice.get("from_label") if side == "from" else notice.get("label")
    return one_line(short_label(str(label or notice.get(side) or "")))


def text(notice: Mapping[str, Any]) -> str:
    """Return the notice in full."""
    lines = [title(notice), f"by {one_line(str(notice.get('who', '')))}"]
    for side in ("from", "to"):
        release, label = str(notice.get(side) or ""), name(notice, side)
        if release:
            lines.append(f"{side + ':':6}{release}" + (f" ({label})" if label != release else ""))
    commits = notice.get("commits") or []
    if isinstance(commits, (list, tuple)):
        lines += [f"{len(commits)} commit{'' if len(commits) == 1 else 's'}:"] if commits else []
        lines += [f"  {commit_line(commit)}" for commit in commits[:COMMITS_SHOWN]]
        lines += [f"  and {len(commits) - COMMITS_SHOWN} more"] if len(commits) > COMMITS_SHOWN else []
    else:
        lines.append(f"{commits} commit{'' if commits == 1 else 's'}")
    lines += [f"  {line}" for line in str(notice.get("reason") or "").splitlines()[:REASON_LINES]]
    served = notice.get("served") or {}
    lines += [f"{host} serves {release}" for host, release in served.items()] if len(served) > 1 else []
    return "\n".join([*lines, *([str(notice["site"])] if notice.get("site") else [])])


def commit_line(commit: Any) -> str:
    """Return a commit (its line, or its `commit`, `author`, `subject`) as one line."""
    if not isinstance(commit, dict):
        return one_line(str(commit))
    parts = [str(commit.get("commit", ""))[:10], str(commit.get("subject", ""))]
    author = f" ({commit['author']})" if commit.get("author") else ""
    return one_line(" ".join(part for part in parts if part) + author)


def body(template: Any, notice: Mapping[str, Any]) -> Any:
    """Return the webhook's body: the template with `{text}`, `{title}` and the notice's own names filled in."""
    words = {key: str(value) for key, value in notice.items() if not isinstance(value, (list, dict))}
    words |= {"title": title(notice), "text": text(notice)}

    def fill(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: fill(value) for key, value in part.items()}
        if isinstance(part, (list, tuple)):
            return [fill(value) for value in part]
        if not isinstance(part, str):
            return part
        # Only once: what a commit's message says is never a placeholder.
        pieces = part.split("{")
        done = pieces[:1]
        for piece in pieces[1:]:
            key, closed, rest = piece.partition("}")
            done.append(words[key] + rest if closed and key in words else "{" + piece)
        return "".join(done)

    return fill(template)


class Letter(urllib.request.Request):
    """A request whose address was looked at: http or https, and no file."""


def post(url: str, content: Any) -> None:
    """Send JSON to a webhook; raises ValueError with the reason, which never holds the address: it is a secret."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("notices_webhook_url is no http(s) address")
    request = Letter(url, json.dumps(content).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.build_opener().open(request, timeout=ANSWER_TIMEOUT) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        raise ValueError(f"{parts.hostname} answers {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise ValueError(f"{parts.hostname}: {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise ValueError(f"{parts.hostname}: {error or type(error).__name__}") from None


def mail(server: Mapping[str, Any], sender: str, receivers: Sequence[str], notice: Mapping[str, Any]) -> None:
    """Send an e-mail; raises ValueError with the reason."""
    letter = EmailMessage()
    letter["Subject"], letter["From"] = title(notice), sender or receivers[0]
    letter["To"], letter["Date"] = ", ".join(receivers), formatdate()
    letter["Message-ID"] = make_msgid(domain="samestack")
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(text(notice))
    host, tls = str(server.get("host") or "localhost"), str(server.get("tls") or "none")
    port = int(server.get("port") or PORTS[tls])
    try:
        with connected(host, port, tls) as connection:
            if server.get("user"):
                connection.login(str(server["user"]), str(server.get("password") or ""))
            connection.send_message(letter)
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error.decode(errors="replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        raise ValueError(f"{host}:{port} answers {error.smtp_code} {one_line(str(said))}") from None
    except smtplib.SMTPRecipientsRefused as error:
        raise ValueError(f"{host}:{port} refuses {', '.join(error.recipients)}") from None
    except (OSError, smtplib.SMTPException) as error:
        raise ValueError(f"{host}:{port}: {error or type(error).__name__}") from None


def connected(host: str, port: int, tls: str) -> smtplib.SMTP:
    """Return a connection to a mail server; `tls` is none, starttls or tls."""
    context = ssl.create_default_context()
    if tls == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=ANSWER_TIMEOUT, context=context)
    connection = smtplib.SMTP(host, port, timeout=ANSWER_TIMEOUT)
    if tls == "starttls":
        connection.starttls(context=context)
    return connection


def attempt(what: str, work: Callable[[], None], secrets: Sequence[str], problems: list[str]) -> None:
    """Do something, and write down what went wrong, without secrets."""
    try:
        work()
    except Exception as error:
        said = one_line(str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}")
        for secret in secrets:
            said = said.replace(secret, "…") if secret else said
        problems.append(f"the {what} could not be sent: {said}")


def send(settings: Mapping[str, Any], notice: Mapping[str, Any]) -> list[str]:
    """Send a notice on the ways that are set up, at once; returns what went wrong, for a warning each."""
    ways: dict[str, Callable[[], None]] = {}
    server, url = settings.get("smtp") or {}, str(settings.get("webhook_url") or "")
    receivers = [str(address) for address in settings.get("email_to") or []]
    if receivers:
        ways["notice by e-mail"] = lambda: mail(server, str(settings.get("email_from") or ""), receivers, notice)
    if url:
        ways["notice to the chat"] = lambda: post(url, body(settings.get("webhook_body") or SLACK, notice))
    problems: list[str] = []
    secrets = [str(server.get("password") or ""), url]
    threads = {
        what: threading.Thread(target=attempt, args=(what, work, secrets, problems), daemon=True)
        for what, work in ways.items()
    }
    for thread in threads.values():
        thread.start()
    for what, thread in threads.items():
        thread.join(PATIENCE)
        if thread.is_alive():
            problems.append(f"the {what} could not be sent: it took longer than {PATIENCE} s")
    return sorted(problems)
