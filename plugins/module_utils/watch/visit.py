"""Asks a site for a page as a visitor does. Hosts ask themselves; whoever looks asks from the own computer."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from .check import RED, YELLOW, Facts, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HTTPS = 443
#: Ports that no request names
USUAL = (80, HTTPS)
AGENT = "samestack-watch"
#: Bytes of an answer that are read: the status is at its beginning
ENOUGH = 1024
BAD_REQUEST, SERVER_ERROR, UNAVAILABLE = 400, 500, 503


class Answer(NamedTuple):
    """What came of a visit."""

    #: 0: none came
    status: int
    #: Until the first line of the answer was there
    seconds: float
    error: str
    #: The certificate that was shown (DER), b"" for none
    certificate: bytes = b""

    @property
    def well(self) -> bool:
        """Whether a visitor was served; 400 is what Django answers to a name that it refuses."""
        return bool(self.status) and self.status < SERVER_ERROR and self.status != BAD_REQUEST


def believing() -> ssl.SSLContext:
    """Return a context that takes any certificate: what it is worth is looked at elsewhere."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@dataclass(frozen=True)
class Visit:
    """One request of one visitor."""

    name: str
    page: str
    address: str
    #: None: what is asked for is read by everybody
    context: ssl.SSLContext | None
    #: Seconds for all of it
    timeout: float
    port: int = HTTPS

    @property
    def host(self) -> str:
        """Who is asked, as a request names it."""
        name = f"[{self.name}]" if ":" in self.name else self.name
        return name if self.port in USUAL else f"{name}:{self.port}"

    def ask(self) -> Answer:
        """Ask for the page and return what came."""
        began = time.monotonic()
        certificate = b""

        def left() -> float:
            seconds = self.timeout - (time.monotonic() - began)
            if seconds <= 0:
                raise TimeoutError(f"no answer within {self.timeout:.0f} s")
            return seconds

        try:
            with (
                socket.create_connection((self.address, self.port), left()) as plain,
                self.context.wrap_socket(plain, server_hostname=self.name) if self.context else plain as connection,
            ):
                if isinstance(connection, ssl.SSLSocket):
                    certificate = connection.getpeercert(binary_form=True) or b""
                lines = (f"GET {self.page} HTTP/1.1", f"Host: {self.host}", f"User-Agent: {AGENT}", "Connection: close")
                connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode())
                head = b""
                while b"\n" not in head and len(head) < ENOUGH:
                    connection.settimeout(left())
                    piece = connection.recv(ENOUGH)
                    if not piece:
                        break
                    head += piece
            status = int(head.split(None, 2)[1][:3])
        except (OSError, ValueError, IndexError) as error:
            return Answer(0, time.monotonic() - began, reason(error), certificate)
        return Answer(status, time.monotonic() - began, "", certificate)


def reason(error: Exception) -> str:
    """Return why there was no answer, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not good: {error.verify_message}"
    if isinstance(error, (ValueError, IndexError)):
        return "what answers does not speak HTTP"
    return str(error) or type(error).__name__


def seen(visit: Visit, answer: Answer, *, serves: bool, closed: bool) -> Facts:
    """Return the facts of a visit.

    Args:
        visit: what was asked for.
        answer: what came.
        serves: whether there is a release that shall answer.
        closed: whether visitors are to see the maintenance page.
    """
    return {
        "host": visit.name, "page": visit.page, "status": answer.status, "well": answer.well,
        "seconds": round(answer.seconds, 3), "error": answer.error, "closed": closed, "serves": serves,
    }  # fmt: skip


def judge(facts: Facts, limits: Mapping[str, float]) -> Iterator[Finding]:
    """Yield what a visitor misses; before the first release there is nothing to miss. Pure."""
    if not facts["serves"] or (facts["closed"] and facts["status"] == UNAVAILABLE):
        return
    address = f"https://{facts['host']}{facts['page']}"
    if not facts["status"]:
        yield Finding("answer", RED, f"{address} does not answer: {facts['error']}", "logs", unit="nginx.service")
    elif not facts["well"]:
        yield Finding("answer", RED, f"{address} answers {facts['status']}", "logs", unit="{app}-web@*")
    elif facts["seconds"] > limits["answer"]:
        yield Finding("slow", YELLOW, f"{address} took {facts['seconds']:.1f} s to answer", "busy")


def words(facts: Facts) -> str:
    """Return what a visitor gets. Pure."""
    if facts["closed"]:
        return "the maintenance page is shown"
    if not facts["serves"]:
        return "nothing serves yet"
    came = facts["status"] or "no answer"
    return f"{came} in {facts['seconds'] * 1000:.0f} ms, https://{facts['host']}{facts['page']}"
