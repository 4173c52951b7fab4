"""The backup host's half: fetches what is new, never changes or removes what it has.

What the database host shows is taken for what anybody could show who has broken in there: names are looked at, a file
that is here stays, and the disk keeps some room.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

from ..common.errors import HostError
from . import wire
from .offer import identity
from .pgbackrest import CHANGING, PgBackRest, forgets
from .settings import AUTHORITY, FETCHING, IDENTITY, REPOSITORY, secrets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .settings import Settings

AGAIN_SECONDS = 5
INFO = ("archive/{stanza}/archive.info", "backup/{stanza}/backup.info")
#: Name of a segment of WAL
SEGMENT = re.compile(r"[0-9A-F]{24}")
#: Files of a folder by which pgBackRest knows it
COPIES = ("", ".copy")


class Fetch:
    """The copy of one repository."""

    def __init__(self, settings: Settings, root: str = REPOSITORY, state: str = FETCHING) -> None:
        """Take the settings, the copy's folder, and the file that says how it stands."""
        self.settings, self.root, self.state = settings, root, state
        self.pgbackrest = PgBackRest(settings.stanza, settings.account)
        self.known: dict[str, int] = {}
        self.stream: Any = None

    def run(self) -> None:
        """Fetch for ever; what goes wrong is said, and tried again."""
        since = 0.0
        while True:
            try:
                self.follow()
            except (OSError, wire.WireError, HostError, ValueError) as error:
                since = since or time.time()
                words = f"{self.settings.fetch['address']}: {error}"
                print(words, file=sys.stderr, flush=True)
                self.say(trouble=words, since=since)
            else:
                since = 0.0
            time.sleep(AGAIN_SECONDS)

    def follow(self) -> None:
        """Ask the database host for what is new, again and again; raises what ends the connection."""
        address, port = self.settings.fetch["address"], int(self.settings.fetch["port"])
        with wire.connect(address, port, AUTHORITY) as connection, connection.makefile("rwb") as stream:
            self.stream = stream
            if self.ask({"key": secrets()["offer"]}).get("hello") != self.settings.stanza:
                raise wire.WireError("it has the repository of another application")
            token = ""
            while True:
                found = self.ask({"do": "look", "token": token})
                self.take(found)
                token = str(found.get("token", ""))
                self.say(looked=time.time(), server=server_of(found.get("server")))

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a question."""
        wire.send(self.stream, question)
        return wire.receive(self.stream)

    def say(self, **words: Any) -> None:
        """Write down how it stands."""
        unfinished = f"{self.state}.new"
        with open(unfinished, "w", encoding="utf-8") as file:
            json.dump({"time": time.time(), **words}, file)
        os.replace(unfinished, self.state)

    def take(self, found: dict[str, Any]) -> None:
        """Fetch what is not here."""
        self.check_identity(str(found.get("identity", "")))
        folders = {str(name): int(changed) for name, changed in dict(found.get("folders") or {}).items()}
        labels = [str(label) for label in found.get("labels") or []]
        self.take_info(folders)
        for folder, changed in sorted(folders.items()):
            if self.known.get(folder) != changed:
                for name, size in self.ask({"do": "names", "folder": checked(folder)}).get("names") or []:
                    if not CHANGING.search(str(name)):
                        self.get(f"{folder}/{checked(str(name))}", int(size))
                self.known[folder] = changed
        fresh = [label for label in labels if self.take_backup(label)]
        if fresh:
            # Puts them into the list, and removes nothing: `keep` decides about that.
            self.pgbackrest.expire()

    def check_identity(self, theirs: str) -> None:
        """Refuse a repository that was made anew in the place of the one that is kept here; raises WireError."""
        ours = identity(self.root)
        if not theirs:
            raise wire.WireError("it has no repository yet")
        if not ours:
            with open(os.path.join(self.root, IDENTITY), "w", encoding="ascii") as file:
                file.write(theirs)
        elif ours != theirs:
            raise wire.WireError(
                "it has another repository than the one that is kept here: was that machine made anew? "
                "`./samestack rebuild` brings back what it had."
            )

    def take_info(self, folders: dict[str, int]) -> None:
        """Fetch what a repository is opened by: the first time, and after a new major version of the server."""
        stanza = self.settings.stanza
        files = [name.format(stanza=stanza) for name in INFO]
        before = {name for name in entries(f"{self.root}/archive/{stanza}") if "-" in name}
        told = {name.split("/")[2] for name in folders}
        missing = [name for name in files if not os.path.exists(f"{self.root}/{name}")]
        if not missing and told <= before:
            return
        known = self.pgbackrest.known() if not missing else {"db": [], "backup": []}
        kept: dict[str, str] = {}
        try:
            for name in files:
                for copy in COPIES:
                    path = f"{self.root}/{name}{copy}"
                    if os.path.exists(path):
                        kept[path] = f"{path}.was-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
                        os.rename(path, kept[path])
                    self.get(f"{name}{copy}", -1)
            self.pgbackrest.backups()
            labels = [str(one["label"]) for one in known["backup"]]
            if forgets(known, self.pgbackrest.known()) or not self.can_be_read(labels):
                raise wire.WireError("its repository has forgotten what is kept here, which stays: look at that host")
            if kept:
                self.pgbackrest.expire()
        except BaseException:
            for path, aside in kept.items():
                os.replace(aside, path)
            raise

    def can_be_read(self, labels: Iterable[str]) -> bool:
        """Return whether what is here can be decrypted by the list: the backups, and what each says of WAL."""
        texts = [(f"backup/{self.settings.stanza}/{label}/backup.manifest", "[backrest]") for label in labels]
        for place, _, names in os.walk(f"{self.root}/archive/{self.settings.stanza}"):
            ends = [os.path.join(place, name) for name in names if name.endswith(".backup")]
            texts += [(os.path.relpath(path, self.root), "START WAL LOCATION") for path in ends]
        return all(self.pgbackrest.reads(path, begins) for path, begins in texts)

    def take_backup(self, label: str) -> bool:
        """Fetch a backup; returns whether it was not here. It has its name when it is whole."""
        top = f"backup/{self.settings.stanza}/{checked(label)}"
        whole = f"{self.root}/{top}"
        if os.path.exists(whole) or "/" in label:
            return False
        arriving = f"{self.root}/samestack-arriving/{label}"
        for name, size in self.ask({"do": "files", "label": label}).get("files") or []:
            self.get(f"{top}/{checked(str(name))}", int(size), f"{arriving}/{name}")
        if not os.path.exists(f"{arriving}/backup.manifest"):
            # It has expired there meanwhile.
            shutil.rmtree(arriving, ignore_errors=True)
            return False
        os.makedirs(os.path.dirname(whole), mode=0o750, exist_ok=True)
        os.rename(arriving, whole)
        return True

    def get(self, name: str, size: int, place: str = "") -> None:
        """Fetch a file that is not here; `size` as it was said, -1 for any."""
        place = place or f"{self.root}/{name}"
        if os.path.exists(place) and size in (-1, os.stat(place).st_size):
            return
        if os.path.exists(place) and not place.startswith(f"{self.root}/samestack-arriving/"):
            raise wire.WireError(f"{name} is here with other bytes: what is here stays. Look at that host.")
        os.makedirs(os.path.dirname(place), mode=0o750, exist_ok=True)
        wire.send(self.stream, {"do": "get", "path": name})
        told = int(wire.receive(self.stream).get("size", -1))
        if told < 0:
            return
        self.check_room(told)
        unfinished = f"{place}.arriving"
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        with open(descriptor, "wb") as file:
            for block in wire.blocks(self.stream, told):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        os.rename(unfinished, place)

    def check_room(self, needed: int) -> None:
        """Refuse what would fill the disk; raises HostError."""
        free, room = self.settings.room(self.root)
        if free - needed < room:
            raise HostError(
                f"The disk of {self.root} is full: {free >> 20}m are free, and {room >> 20}m have to stay "
                "(backup_disk_limit)."
            )


def checked(name: str) -> str:
    """Return a name that leads nowhere else; raises WireError."""
    if not wire.PATH.fullmatch(name):
        raise wire.WireError(f"it shows a name that no repository has: {name[:100]!r}")
    return name


def server_of(told: Any) -> dict[str, Any]:
    """Return what that host says of its server, nothing where that is not what servers say: people are told by it."""
    current, timeout = (told.get("current"), told.get("timeout")) if isinstance(told, dict) else ("", 0)
    if not SEGMENT.fullmatch(str(current)) or type(timeout) is not int or timeout < 0:
        return {}
    return {"current": current, "timeout": timeout}


def entries(folder: str) -> list[str]:
    """Return the names in a folder, none where there is none."""
    try:
        return os.listdir(folder)
    except OSError:
        return []
