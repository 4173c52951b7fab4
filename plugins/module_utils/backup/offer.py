"""The database host's half: a server that shows its repository to whoever has the key, and takes nothing.

It runs as the account that the repository belongs to, and reads nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import pwd
import ssl
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, BinaryIO

from ..common import postgresql
from . import wire
from .settings import IDENTITY, REPOSITORY, secrets

if TYPE_CHECKING:
    import socket

    from .settings import Settings

POLL_SECONDS = 1
#: Connections at a time: one, and one that takes its place
MOST = 4
STATE = """SELECT pg_catalog.json_build_object('current', pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()),
  'timeout', (SELECT setting::pg_catalog.int4 FROM pg_catalog.pg_settings WHERE name = 'archive_timeout'))"""


class Offer:
    """What this host's repository has, as its owner sees it."""

    def __init__(self, settings: Settings, root: str = REPOSITORY) -> None:
        """Take the settings and the repository's folder."""
        self.settings, self.root = settings, root
        self.stanza = settings.stanza
        self._server: tuple[float, dict[str, Any]] = (0.0, {})

    def folders(self) -> dict[str, int]:
        """Return the folders of archived segments, each with the time of its last change (nanoseconds)."""
        found = {}
        top = f"archive/{self.stanza}"
        for one in entries(os.path.join(self.root, top)):
            if one.is_dir(follow_symlinks=False):
                found[f"{top}/{one.name}"] = one.stat(follow_symlinks=False).st_mtime_ns
                for inner in entries(one.path):
                    if inner.is_dir(follow_symlinks=False):
                        found[f"{top}/{one.name}/{inner.name}"] = inner.stat(follow_symlinks=False).st_mtime_ns
        return found

    def labels(self) -> list[str]:
        """Return the backups that are complete: pgBackRest writes the manifest last."""
        top = os.path.join(self.root, "backup", self.stanza)
        return sorted(
            one.name
            for one in entries(top)
            if one.is_dir(follow_symlinks=False) and os.path.isfile(os.path.join(one.path, "backup.manifest"))
        )

    def look(self, token: str) -> dict[str, Any]:
        """Return what there is, at once where it is something else than the token says, else after a while."""
        deadline = time.monotonic() + wire.PATIENCE
        while True:
            shown = {"folders": self.folders(), "labels": self.labels(), "identity": identity(self.root)}
            found = hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()
            if found != token or time.monotonic() > deadline:
                return {**shown, "token": found, "server": self.server(), "time": time.time()}
            time.sleep(POLL_SECONDS)

    def server(self) -> dict[str, Any]:
        """Return what the database server writes now; {} where it does not run. Asked now and then only."""
        asked, answer = self._server
        if time.monotonic() - asked > POLL_SECONDS * 5 or not asked:
            self._server = (time.monotonic(), ask_server(int(self.settings.database["port"])))
            answer = self._server[1]
        return answer

    def names(self, folder: str) -> list[list[Any]]:
        """Return the files of a folder of archived segments, each with its bytes."""
        return [
            [one.name, one.stat(follow_symlinks=False).st_size]
            for one in entries(self.path(folder))
            if one.is_file(follow_symlinks=False) and wire.PATH.fullmatch(one.name)
        ]

    def files(self, label: str) -> list[list[Any]]:
        """Return the files of a backup, by their paths below its folder, each with its bytes."""
        top = self.path(f"backup/{self.stanza}/{label}")
        found = []
        for place, _, names in os.walk(top):
            for name in names:
                path = os.path.join(place, name)
                if not os.path.islink(path):
                    found.append([os.path.relpath(path, top), os.lstat(path).st_size])
        return found

    def path(self, name: str) -> str:
        """Return where something in the repository is; raises WireError for what leads out of it."""
        if not wire.PATH.fullmatch(name):
            raise wire.WireError(f"no path of a repository: {name[:100]!r}")
        return os.path.join(self.root, name)

    def answer(self, asked: dict[str, Any], stream: BinaryIO) -> None:
        """Answer one question."""
        verb = asked.get("do")
        if verb == "look":
            wire.send(stream, self.look(str(asked.get("token", ""))))
        elif verb == "names":
            wire.send(stream, {"names": self.names(str(asked.get("folder")))})
        elif verb == "files":
            wire.send(stream, {"files": self.files(str(asked.get("label")))})
        elif verb == "get":
            self.give(str(asked.get("path")), stream)
        else:
            raise wire.WireError("no such question")

    def give(self, name: str, stream: BinaryIO) -> None:
        """Send a file."""
        try:
            descriptor = os.open(self.path(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            # It has expired meanwhile.
            wire.send(stream, {"size": -1})
            return
        with open(descriptor, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            wire.send(stream, {"size": size})
            left = size
            while left and (block := file.read(min(left, wire.CHUNK))):
                stream.write(block)
                left -= len(block)
            if left:
                raise wire.WireError("the file became shorter")
            stream.flush()


def identity(root: str) -> str:
    """Return what tells a repository from another one, "" before it has anything."""
    try:
        # Root asks, too, and the folder is another account's.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(os.path.join(root, IDENTITY), flags), encoding="ascii") as file:
            return file.read(64).strip()
    except (OSError, ValueError):
        return ""


def entries(folder: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder, nothing where there is none."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def ask_server(port: int) -> dict[str, Any]:
    """Return which segment the server writes and how long it keeps one at most; {} where it does not answer."""
    command = postgresql.psql(port=port)
    # Root asks as the server's account; whoever answers the backup host is it.
    account = pwd.getpwnam(postgresql.ACCOUNT)
    become: dict[str, Any] = (
        {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    )
    try:
        done = subprocess.run(
            command, input=STATE, capture_output=True, text=True, check=False, timeout=10, cwd="/", **become,
            env={"PATH": "/usr/bin:/bin", **postgresql.settings(postgresql.SUPERUSER, "backup")},
        )  # fmt: skip
        found = json.loads(done.stdout) if done.returncode == 0 else {}
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return {}
    return found if isinstance(found, dict) else {}


def serve(settings: Settings, certificate: str) -> None:
    """Answer for ever."""
    key = secrets()["offer"].encode()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate)
    listener = wire.listen(int(settings.offer["port"]), MOST)
    places = threading.BoundedSemaphore(MOST)
    while True:
        connection, _ = listener.accept()
        if not places.acquire(blocking=False):
            connection.close()
            continue
        threading.Thread(target=attend, args=(settings, context, connection, key, places), daemon=True).start()


def attend(
    settings: Settings, context: ssl.SSLContext, connection: socket.socket, key: bytes, places: threading.Semaphore
) -> None:
    """Answer one client until it goes."""
    with contextlib.ExitStack() as stack:
        stack.callback(places.release)
        stack.enter_context(contextlib.suppress(OSError, wire.WireError, ValueError))
        stack.enter_context(connection)
        connection.settimeout(wire.SILENCE)
        encrypted = stack.enter_context(context.wrap_socket(connection, server_side=True))
        stream: Any = stack.enter_context(encrypted.makefile("rwb"))
        if not hmac.compare_digest(str(wire.receive(stream).get("key", "")).encode(), key):
            return
        wire.send(stream, {"hello": settings.stanza})
        offer = Offer(settings)
        while True:
            offer.answer(wire.receive(stream), stream)
