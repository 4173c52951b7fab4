"""Asks a web server for a page: over its own socket as nginx would, and through nginx as a visitor would."""

from __future__ import annotations

import contextlib
import http.client
import os
import pwd
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...common.errors import DECISIONS_FILE
from . import units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# A server that has answered nothing but errors for this long will not get better (seconds).
PATIENCE_WITH_ERRORS = 4
POLL_SECONDS = 0.05
# The pauses after an error, each twice as long as the one before: every one is a traceback in the journal, which drops
# what comes too fast.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.6
LOOK_SECONDS = 0.5
BAD_REQUEST, NOT_FOUND, SERVER_ERROR = 400, 404, 500
FRONT = ("127.0.0.1", 443)
# A visitor's question: nginx may be in the middle of a reload.
FRONT_TRIES, FRONT_PAUSE = 3, 0.3


class SocketConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        """Take the socket's path and a timeout in seconds."""
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class FrontConnection(http.client.HTTPConnection):
    """HTTPS to the web server of this machine, under the name of a site."""

    def __init__(self, host: str, timeout: float, address: tuple[str, int] = FRONT) -> None:
        """Take the site's name and a timeout in seconds."""
        super().__init__(host, timeout=timeout)
        self.address = address

    def connect(self) -> None:
        """Connect; whose certificate it is does not matter on the way to oneself."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection(self.address, self.timeout)
        try:
            self.sock = context.wrap_socket(plain, server_hostname=self.host)
        except OSError:
            plain.close()
            raise


def status_of(connection: http.client.HTTPConnection, page: str, headers: Mapping[str, str]) -> int:
    """Ask for a page and return its status, all within the connection's timeout. Raises OSError or HTTPException."""
    # A timeout of a socket is one for each piece: who sends a byte now and then would be waited for without an end.
    limit = threading.Timer(float(connection.timeout or 0), cut_off, [connection])
    limit.start()
    try:
        connection.request("GET", page, headers={"Connection": "close", **headers})
        return connection.getresponse().status
    finally:
        limit.cancel()
        connection.close()


def cut_off(connection: http.client.HTTPConnection) -> None:
    """End a connection for whoever reads from it."""
    with contextlib.suppress(OSError, AttributeError):
        connection.sock.shutdown(socket.SHUT_RDWR)


def ask(path: str, host: str, page: str, timeout: float) -> int:
    """Ask the server on a socket for a page as nginx would; returns the status. Raises OSError or HTTPException."""
    headers = {"Host": host, "X-Forwarded-Proto": "https", "X-Forwarded-For": "127.0.0.1"}
    return status_of(SocketConnection(path, timeout), page, headers)


def ask_front(host: str, page: str, timeout: float, address: tuple[str, int] = FRONT) -> int:
    """Ask the machine's web server for a page of the site; returns the status. Raises OSError or HTTPException."""
    return status_of(FrontConnection(host, timeout, address), page, {"Host": host})


def is_well(status: int) -> bool:
    """Return whether a status says that the application works; 400 is what Django answers to a name it refuses."""
    return status < SERVER_ERROR and status != BAD_REQUEST


@contextmanager
def identity(user: str) -> Iterator[None]:
    """Act as a user within the block: whoever may not use a socket finds that out here. "" changes nothing."""
    if not user:
        yield
        return
    account = pwd.getpwnam(user)
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def rest(seconds: float, meanwhile: Callable[[], None]) -> None:
    """Do nothing for a while, but for `meanwhile` now and then."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(min(left, POLL_SECONDS))
        meanwhile()


class Probe:
    """Asks for one page of one site."""

    def __init__(self, host: str, page: str, web_user: str) -> None:
        """Take the site's name, the page, and the user that the web server runs as ("": whoever runs this)."""
        self.host = host
        self.page = page
        self.web_user = web_user
        #: The status of the answer that was well
        self.found = 0

    @property
    def address(self) -> str:
        """Return what is asked for, in words."""
        return f"https://{self.host}{self.page}"

    @property
    def remarks(self) -> list[str]:
        """Return what people should know of a page that is not there: Django's own answer is no sign of much."""
        if self.found != NOT_FOUND:
            return []
        return [
            f"{self.address} answers 404: the application has no page there (what `startproject` makes has none at / "
            f"but with DEBUG). Name one that it has in app_health_path (in {DECISIONS_FILE}), such as /admin/login/"
        ]

    def until_healthy(self, unit: str, path: str, seconds: int, meanwhile: Callable[[], None] = lambda: None) -> str:
        """Return "" as soon as the server on a socket answers well, else why it is given up.

        `meanwhile` is called between the attempts.
        """
        deadline = time.monotonic() + seconds
        first_error: float | None = None
        looked, why, pause = 0.0, "no answer", FIRST_PAUSE
        while time.monotonic() < deadline:
            meanwhile()
            status, why = self.answer(path, deadline - time.monotonic())
            if status and is_well(status):
                self.found = status
                return ""
            if status == BAD_REQUEST:
                return self.refused()
            first_error = (first_error or time.monotonic()) if status else None
            if first_error and time.monotonic() - first_error > PATIENCE_WITH_ERRORS:
                return why
            if not status and time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
                if units.keeps_failing(units.properties([unit]).get(unit, {})):
                    return "its process does not stay up"
            rest(pause if status else POLL_SECONDS, meanwhile)
            pause = min(2 * pause, LONGEST_PAUSE) if status else FIRST_PAUSE
        return f"{why} within {seconds} s (release_start_timeout)"

    def warm(self, path: str, visitors: int, seconds: float) -> None:
        """Ask the server on a socket as some visitors at once: what the first of a process wait for is done then."""

        def visit(_number: int) -> None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                ask(path, self.host, self.page, seconds)

        with identity(self.web_user), ThreadPoolExecutor(visitors) as pool:
            list(pool.map(visit, range(visitors)))

    def answer(self, path: str, remaining: float) -> tuple[int | None, str]:
        """Return (status or None, what that means) of one request to a socket."""

        def over_socket(timeout: float) -> int:
            with identity(self.web_user):
                return ask(path, self.host, self.page, timeout)

        return self.attempt(over_socket, remaining)

    def attempt(self, asking: Callable[[float], int], remaining: float) -> tuple[int | None, str]:
        """Return (status or None, what that means) of one request."""
        try:
            status = asking(max(1.0, min(remaining, 30.0)))
        except PermissionError:
            return SERVER_ERROR, f"the user {self.web_user} may not use its socket"
        except (OSError, http.client.HTTPException) as error:
            return None, f"no answer ({error})"
        return status, f"it answers {status}"

    def through_front(self, seconds: float) -> str:
        """Return "" when the site answers well to a visitor on this machine, else why not."""
        why = ""
        for turn in range(FRONT_TRIES):
            if turn:
                time.sleep(FRONT_PAUSE)
            status, why = self.attempt(lambda timeout: ask_front(self.host, self.page, timeout), seconds)
            if status and is_well(status):
                return ""
            if status == BAD_REQUEST:
                return self.refused()
        return why

    def refused(self) -> str:
        """Return what 400 means."""
        return f"it refuses the name {self.host}: app_domains (ALLOWED_HOSTS) or the settings do not know it"
