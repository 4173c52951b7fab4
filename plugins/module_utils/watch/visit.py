"""Asks a site for a page as a visitor does. Hosts ask themselves; whoever looks asks from the own computer."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from typing import NamedTuple

HTTPS = 443
AGENT = "samestack-watch"
#: Bytes of an answer that are read: the status is at its beginning
ENOUGH = 1024
BAD_REQUEST, SERVER_ERROR = 400, 500


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
    context: ssl.SSLContext
    #: Seconds for all of it
    timeout: float
    port: int = HTTPS

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
                self.context.wrap_socket(plain, server_hostname=self.name) as connection,
            ):
                certificate = connection.getpeercert(binary_form=True) or b""
                lines = (f"GET {self.page} HTTP/1.1", f"Host: {self.name}", f"User-Agent: {AGENT}", "Connection: close")
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
