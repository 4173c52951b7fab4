"""Tells people, by the environment's notices, when something new is wrong with backups and when all is well again."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from ..common.errors import HostError
from ..common.files import write_atomic
from ..common.folders import PRIVATE, make_folder
from ..common.paths import CONFIG
from ..standalone.certificates import tell
from . import settings as places
from .judging import problems, remarks
from .settings import Settings, read
from .status import gather

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What takes copies of files from another host
TAKES = "samestack-backup-uploads.service"


def watch(settings: Settings) -> int:
    """Look, and tell people what is new; returns the exit code: 1 while something is wrong, as systemd shows it."""
    if "keeps" in settings.does:
        take_while_there_is_room(settings)
    found, known = look(settings), read(places.TOLD)
    for line in found.values():
        print(line, file=sys.stderr)
    urls = os.path.join(os.environ.get("CREDENTIALS_DIRECTORY", CONFIG), "notices")
    wanted = os.path.exists(urls) and os.path.getsize(urls) > 0
    whose, news = f"{settings.app}, {settings.environment}", True
    if wanted and set(found) - set(known):
        lines = [*found.values(), f"On {socket.gethostname()}. What to do: docs/backups.md"]
        news = tell(urls, f"{whose}: backups need somebody", "\n".join(lines), "failure")
    elif wanted and known and not found:
        news = tell(urls, f"{whose}: backups are well again", f"On {socket.gethostname()}.", "success")
    if not news:
        print("The notice could not be sent; it is tried again.", file=sys.stderr)
    elif found != known:
        write_atomic(places.TOLD, json.dumps(found), 0o600)
    return 1 if found or not news else 0


def take_while_there_is_room(settings: Settings) -> None:
    """Take no more copies of files than the disk has room for: what comes does not ask, as fetching does."""
    rooms = [settings.room(path) for path in settings.upload_folders if os.path.isdir(path)]
    verb = "stop" if any(free < stays for free, stays in rooms) else "start"
    subprocess.run(["systemctl", verb, TAKES], check=False, capture_output=True, stdin=subprocess.DEVNULL)


def look(settings: Settings) -> dict[str, str]:
    """Return what is wrong; it is wrong, too, where nobody can say it, whatever is in the way.

    What was seen is kept for whoever asks how the host is: looking takes seconds.
    """
    found: Mapping[str, Any] = {}
    try:
        found = gather(settings)
        wrong = problems(found)
    except Exception as error:
        what = str(error) if isinstance(error, HostError) else f"{type(error).__name__} {error}"
        found, wrong = {}, {"look": f"Nobody can say how the backups are: {what}"}
    keep(wrong, found)
    return wrong


def keep(wrong: Mapping[str, str], found: Mapping[str, Any]) -> None:
    """Keep what was seen, and when; of `found` there is nothing where nobody could say it."""
    until = max((one["until"] for one in found.get("repositories", ())), default=0)
    said = remarks(found) if found else []
    seen = {"time": time.time(), "problems": wrong, "remarks": said, "until": until, "drill": found.get("drill") or {}}
    make_folder(places.KEPT, PRIVATE).close()
    write_atomic(places.LOOKED, json.dumps(seen), 0o600)
