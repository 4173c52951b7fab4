"""Tells people, by the environment's notices, when something new is wrong with backups and when all is well again."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

from ..common.files import write_atomic
from ..common.paths import CONFIG
from . import settings as places
from .judging import problems
from .settings import Settings, read
from .status import gather


def watch(settings: Settings) -> int:
    """Look, and tell people what is new; returns the exit code: 1 while something is wrong, as systemd shows it."""
    found, known = problems(gather(settings)), read(places.TOLD)
    for line in found.values():
        print(line, file=sys.stderr)
    urls = os.path.join(os.environ.get("CREDENTIALS_DIRECTORY", CONFIG), "notices")
    news = True
    if set(found) - set(known):
        lines = [*found.values(), f"On {socket.gethostname()}. What to do: docs/backups.md"]
        news = tell(urls, f"{title(settings)}: backups need somebody", "\n".join(lines), "failure")
    elif known and not found:
        news = tell(urls, f"{title(settings)}: backups are well again", f"On {socket.gethostname()}.", "success")
    if not news:
        print("The notice could not be sent; it is tried again.", file=sys.stderr)
    elif found != known:
        write_atomic(places.TOLD, json.dumps(found), 0o600)
    return 1 if found or not news else 0


def title(settings: Settings) -> str:
    """Return whose backups they are."""
    return f"{settings.app}, {settings.environment}"


def tell(urls: str, title: str, body: str, kind: str) -> bool:
    """Send a notice to the URLs of a file; returns whether everybody got it. No URL is in an argument or a log."""
    if not os.path.exists(urls) or not os.path.getsize(urls):
        return True
    command = ["apprise", f"--config={urls}", f"--title={title}", f"--notification-type={kind}", "--input-format=text"]
    try:
        done = subprocess.run(
            command, input=body, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
            check=False, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
