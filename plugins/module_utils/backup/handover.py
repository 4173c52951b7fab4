"""A repository that is kept elsewhere comes back to a database host that has lost its own, or a part of it to one whose
own does not reach so far.

This once the host that has it is the one that gives: the database host listens, for one connection, while a run of ours
waits for it.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import shutil
import ssl
import time
from typing import TYPE_CHECKING, Any

from ..common import folders
from ..common.errors import HostError
from . import wire
from .pgbackrest import PgBackRest
from .planning import files
from .settings import AUTHORITY, REPOSITORY, secrets

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from .settings import Settings

#: Seconds to wait for the other side
PATIENCE = 120
#: Connections that wait for their turn
MOST = 4


def receive(settings: Settings, certificate: str, root: str = REPOSITORY) -> int:
    """Take a repository from the host that keeps it, as the account that it belongs to; returns how many files came.

    What is in the folder before goes: the host has never had a backup, or has a part for a restore in a folder of its
    own. Raises HostError.
    """
    key = secrets()["offer"].encode()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate)
    with wire.listen(int(settings.offer["port"]), MOST) as listener:
        listener.settimeout(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                break
            with contextlib.ExitStack() as opened:
                stream, told = greeted(context, opened.enter_context(connection), key, opened)
                if stream is not None:
                    with folders.open_folder(root) as folder:
                        folder.empty()
                    wire.send(stream, {"ready": True})
                    check_room(settings, root, int(told.get("bytes", 0)))
                    return take(stream, root)
    raise HostError("The host that keeps the backups did not come.", "`./samestack backups` shows how it is.")


def check_room(settings: Settings, root: str, needed: int) -> None:
    """Refuse what would fill the disk of a repository; raises HostError."""
    free, room = settings.room(root)
    if free - needed < room:
        raise HostError(
            f"No room in {root} for what the backup host hands over: {needed >> 20}m of {free >> 20}m that are free, "
            f"and {room >> 20}m have to stay (backup_disk_limit).",
            "Make room, or give the repository a disk of its own.",
        )


def greeted(
    context: ssl.SSLContext, connection: socket.socket, key: bytes, opened: contextlib.ExitStack
) -> tuple[Any, dict[str, Any]]:
    """Return a stream to whoever gives and has the key, and what that said; no stream to others, who may come as well.

    `opened` closes it.
    """
    connection.settimeout(PATIENCE)
    with contextlib.suppress(OSError, wire.WireError):
        encrypted = opened.enter_context(context.wrap_socket(connection, server_side=True))
        stream: Any = opened.enter_context(encrypted.makefile("rwb"))
        told = wire.receive(stream)
        if hmac.compare_digest(str(told.get("give", "")).encode(), key):
            return stream, told
    return None, {}


def take(stream: Any, root: str) -> int:
    """Write what comes into the repository; returns how many files."""
    count = 0
    while True:
        told = wire.receive(stream)
        if "end" in told:
            wire.send(stream, {"taken": count})
            return count
        name = str(told.get("put"))
        if not wire.PATH.fullmatch(name):
            raise HostError(f"What the other host gives has a name that no repository has: {name[:100]!r}")
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), mode=0o750, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640), "wb") as file:
            for block in wire.blocks(stream, int(told["size"])):
                file.write(block)
            file.flush()
            # When WAL came says until when everything can be restored.
            os.utime(file.fileno(), (float(told["time"]),) * 2)
        count += 1


def give(settings: Settings, share: Mapping[str, Any], root: str = REPOSITORY) -> int:
    """Hand a backup with what it needs to the database host; returns how many files. Raises HostError.

    Args:
        settings: this host's.
        share: what of the repository (`planning.files`); where it names nothing, the newest full backup, what hangs on
            it and the WAL since.
        root: the repository here.
    """
    found = PgBackRest(settings.stanza, settings.account).found()
    if found.trouble:
        raise HostError(found.trouble)
    if not share:
        fulls = [one for one in found.backups if one.kind == "full"]
        if not fulls:
            raise HostError("There is no backup here that can be given back.")
        share = {"backup": fulls[-1].label, "line": 1, "last": ""}
    names = list(files(root, settings.stanza, found, share))
    size = sum(os.lstat(os.path.join(root, name)).st_size for name in names)
    with contextlib.ExitStack() as opened:
        stream = knock(settings, {"give": secrets()["offer"], "bytes": size}, opened)
        for name in names:
            path = os.path.join(root, name)
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
                status = os.fstat(file.fileno())
                wire.send(stream, {"put": name, "size": status.st_size, "time": status.st_mtime})
                shutil.copyfileobj(file, stream, wire.CHUNK)
        wire.send(stream, {"end": True})
        return int(wire.receive(stream)["taken"])


def knock(settings: Settings, word: dict[str, Any], opened: contextlib.ExitStack) -> Any:
    """Return a stream to the database host as soon as it takes something; `opened` closes it. Raises HostError."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with contextlib.ExitStack() as trying:
                address, port = settings.fetch["address"], int(settings.fetch["port"])
                connection = trying.enter_context(wire.connect(address, port, AUTHORITY, PATIENCE))
                stream: Any = trying.enter_context(connection.makefile("rwb"))
                wire.send(stream, word)
                if wire.receive(stream).get("ready"):
                    opened.push(trying.pop_all())
                    return stream
                raise wire.WireError("it is not ready")
        # Until it waits for this, what shows its repository listens there, and knows no such word.
        except (OSError, wire.WireError) as error:
            if time.monotonic() > deadline:
                raise HostError(f"The database host does not take anything: {error}") from error
            time.sleep(1)
