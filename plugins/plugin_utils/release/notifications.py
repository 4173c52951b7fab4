"""Notices of a deployment, a rollback, a promotion, in words.

Runs on the control node. A notice is a mapping: `event` (start, end), `verb`, `app`, `environment`, `who`, `from` and
`to` (releases) with `from_label` and `label`, `commits` (lines, or how many), and at the end `result` (ok, failed),
`seconds`, `reason`, `served` (the release of each host); `site` is the address where it serves.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..text import said
from ..transport.apprise_urls import NotSentError, ask
from .ledger_table import short_label
from .run import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COMMITS_SHOWN, REASON_LINES = 30, 12


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
            lines.append(f"{side + ':':6}{one_line(release)}" + (f" ({label})" if label != release else ""))
    commits = notice.get("commits") or []
    if isinstance(commits, (list, tuple)):
        lines += [f"{len(commits)} commit{'' if len(commits) == 1 else 's'}:"] if commits else []
        lines += [f"  {commit_line(commit)}" for commit in commits[:COMMITS_SHOWN]]
        lines += [f"  and {len(commits) - COMMITS_SHOWN} more"] if len(commits) > COMMITS_SHOWN else []
    else:
        lines.append(f"{commits} commit{'' if commits == 1 else 's'}")
    lines += [f"  {line}" for line in said(str(notice.get("reason") or "")).splitlines()[:REASON_LINES]]
    served = notice.get("served") or {}
    lines += [one_line(f"{host} serves {release}") for host, release in served.items()] if len(served) > 1 else []
    return "\n".join([*lines, *([str(notice["site"])] if notice.get("site") else [])])


def commit_line(commit: Any) -> str:
    """Return a commit (its line, or its `commit`, `author`, `subject`) as one line."""
    if not isinstance(commit, dict):
        return one_line(str(commit))
    parts = [str(commit.get("commit", ""))[:10], str(commit.get("subject", ""))]
    author = f" ({commit['author']})" if commit.get("author") else ""
    return one_line(" ".join(part for part in parts if part) + author)


def addressed_to_nobody(words: str) -> str:
    """Return words that call nobody in a chat (`@channel`, Slack's `<!here>`, a link in disguise): they stay words."""
    return re.sub(r"(?<![\w@])@(?=\w)|<(?=[!@#]|\w+:)|\]\((?=\w+:)", lambda found: f"{found[0]} ", words)


def send(urls: Sequence[str], notice: Mapping[str, Any]) -> list[str]:
    """Send a notice to all services at once; returns what went wrong, for a warning each, without secrets."""
    if not urls:
        return []
    title, _, body = addressed_to_nobody(text(notice)).partition("\n")
    kind = {"ok": "success", "failed": "failure"}.get(str(notice.get("result")), "info")
    try:
        troubles = ask([str(url) for url in urls], title=title, body=body, type=kind)
    except NotSentError as error:
        troubles = [("Apprise", str(error))]
    return [f"a notice could not be sent: {trouble[0]}: {trouble[1]}" for trouble in troubles if trouble]
