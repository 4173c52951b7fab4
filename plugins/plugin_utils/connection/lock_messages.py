"""What people are told about the deploy lock and the freeze. Pure; the control node uses it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..text import one_line
from .ssh_errors import last_words

if TYPE_CHECKING:
    from collections.abc import Mapping

MINUTE = 60


def moment(seconds: float) -> str:
    """Return a moment (seconds since 1970) in words."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def ago(seconds: float) -> str:
    """Return how long ago something was."""
    if seconds < 2 * MINUTE:
        return f"{max(seconds, 0):.0f} s ago"
    return f"{seconds / MINUTE:.0f} min ago"


def described(news: Mapping[str, Any], holder: Mapping[str, Any]) -> str:
    """Return who holds the lock, since when, doing what."""
    now = float(news["now"])
    if news.get("process"):
        # It opened the file when everybody could.
        return f"{news['process']} on the host, which is no run: end it there"
    if not holder:
        return "a run that has just begun or is about to end"
    since = float(holder.get("since") or now)
    return f"{holder.get('who')}, `{holder.get('verb')}`, since {moment(since)} ({ago(now - since)})"


def waiting(news: Mapping[str, Any], environment: str, wait: int) -> str:
    """Return the line that is shown while this run waits for its turn."""
    return f"Waiting up to {wait} s for the deploy lock of {environment}: {described(news, news['waiting'])}"


def busy(news: Mapping[str, Any], environment: str, wait: int) -> dict[str, str]:
    """Return message and advice for a lock that somebody else holds."""
    waited = f" I waited {wait} s." if wait else ""
    return {
        "msg": f"The deploy lock of {environment} is held: {described(news, news['busy'])}.{waited}",
        "hint": "One change to an environment at a time. Run this again when that is done, or let it wait: "
        "`--lock-wait 10m` (ansible-playbook: -e lock_wait=10m).",
    }


def frozen(news: Mapping[str, Any], environment: str) -> dict[str, str]:
    """Return message and advice for an environment that was closed on purpose."""
    by = news["frozen"]
    since = float(by.get("since") or 0)
    why = f': "{by["message"]}"' if by.get("message") else ""
    return {
        "msg": f"{environment} is frozen{why}. {by.get('who')} closed it at {moment(since)}.",
        "hint": f"Ask there first. `./samestack unfreeze {environment}` opens it again.",
    }


def newer(news: Mapping[str, Any], environment: str, version: str) -> dict[str, str]:
    """Return message and advice for an environment that a later Samestack than this one has changed."""
    last = news["newer"]
    since = float(last.get("since") or 0)
    found = one_line(str(last.get("version")), 40)
    return {
        "msg": f"{environment} was last changed by Samestack {found} ({last.get('who')}, `{last.get('verb')}`, "
        f"{moment(since)}), and this is {version}, which would take back what that has improved. Nothing was changed.",
        "hint": f"`./samestack update --to {found}` brings this project up to date, or `git pull`, where a colleague "
        "has done so. To go back on purpose: provision, or the same command, with `--allow-older-engine` "
        "(ansible-playbook: -e preflight_allow_older_engine=true).",
    }


def refused(news: Mapping[str, Any], environment: str, wait: int, version: str) -> dict[str, str]:
    """Return message and advice where an environment is not to be changed now; {} for other news."""
    if "busy" in news:
        return busy(news, environment, wait)
    if "frozen" in news:
        return frozen(news, environment)
    return newer(news, environment, version) if "newer" in news else {}


def lost(news: Mapping[str, Any], host: str) -> dict[str, str]:
    """Return message and advice for a lock that could not be taken."""
    return {
        "msg": f"The deploy lock could not be taken on {host} (code {news['ended']}): {last_words(news['said'])}.",
        "hint": "It needs python3 there, sudo (-K asks for its password), and room in /run. Nothing was changed; "
        "running this again is safe.",
    }
