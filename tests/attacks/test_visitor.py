"""A visitor: who can send anything to the ports that are open."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import re
import resource
import shlex
import socket
import ssl
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machines import Environment, Machine

OPEN = {22, 80, 443}
#: What listens on a provisioned machine, or would be worth listening on
PORTS = {22, 25, 53, 80, 443, 5432, 6379, 8000, 8080, 11211}
HALF_OPEN = 2500
#: Seconds that somebody else waits for a page meanwhile
SOON = 1.0
OK, FORBIDDEN = 200, 403
#: What another machine runs: the browser of the tests is here
ASK = """
import json, socket, ssl, time
found, context = [], ssl._create_unverified_context()
for _number in range({number}):
    began = time.monotonic()
    plain = socket.create_connection(("{address}", 443), 20)
    stream = context.wrap_socket(plain, server_hostname="{name}")
    stream.sendall(b"{request}\\r\\nHost: {name}\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n")
    found.append((int(stream.recv(64).split()[1]), time.monotonic() - began))
    stream.close()
print(json.dumps(found))
"""
#: More than the burst that is allowed, and a minute's worth
TOO_MANY = 60
FOLDERS = ("/static/", "/media/")
TRAVERSALS = (
    "../../../../etc/passwd", "..%2f..%2f..%2f..%2fetc/passwd", "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "%2e%2e%2f%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%252f..%252f..%252fetc%252fpasswd",
    "....//....//....//etc/passwd", "..;/..;/..;/etc/passwd", "..%5c..%5c..%5cetc%5cpasswd",
    r"..\..\..\etc\passwd", "%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd", "..%c0%af..%c0%afetc/passwd",
    "%00../../../etc/passwd", "./../../../../etc/passwd", "//etc/passwd", "/etc/passwd", "%2fetc%2fpasswd",
    "../static/../../../etc/passwd", "../media../../../../etc/passwd", "..%00/..%00/etc/passwd",
)  # fmt: skip
#: Paths as they are, without a slash before what follows the folder's name
BESIDE = (
    "/static../shared/media/",
    "/media../",
    "/static..%2fsource/",
    "/media..;/",
    "/media..%2f..%2f..%2fetc/passwd",
)
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: {name}\r\n\r\n"
CHUNKED = b"0\r\n\r\n"
#: Headers of a POST whose end two servers might see at different places
DISPUTED = (
    b"Content-Length: {all}\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4",
    b"Content-Length: {all}\r\nTransfer-Encoding : chunked",
    b"Content-Length: {all}\r\nTransfer-Encoding: xchunked",
    b"Content-Length: {all}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x",
    b"Content-Length: {all}\r\n Transfer-Encoding: chunked",
    b"Content-Length: 5\r\nContent-Length: {all}",
    b"Content-Length: +5",
    b"Content-Length: 0x5",
    b"Transfer-Encoding:\x0bchunked",
)


def answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def name_of(victim: Machine) -> str:
    return str(victim.variable("app_domains")[0])


def said(victim: Machine, request: bytes, seconds: float = 1) -> bytes:
    """Return all that comes back over TLS for bytes as they are."""
    context = victim.browser().context
    received = b""
    with (
        socket.create_connection((victim.address, 443), 5) as plain,
        context.wrap_socket(plain, server_hostname=name_of(victim)) as stream,
    ):
        stream.sendall(request.replace(b"{name}", name_of(victim).encode()))
        stream.settimeout(seconds)
        with contextlib.suppress(TimeoutError, ConnectionError, ssl.SSLError):
            while part := stream.recv(65536):
                received += part
    return received


def test_only_the_doors_are_open(victim: Machine) -> None:
    assert {port for port in PORTS if answers(victim.address, port)} == OPEN


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded"]
)
def test_a_header_makes_nobody_else_of_a_visitor(victim: Machine, header: str) -> None:
    plain = victim.browser().get("/status.json").json()["application"]
    forged = victim.browser().get("/status.json", **{header: "evil.example"}).json()["application"]
    assert forged == plain


def test_no_path_leads_out_of_a_folder(victim: Machine) -> None:
    found = {}
    for path in [*(folder + rest for folder in FOLDERS for rest in TRAVERSALS), *BESIDE]:
        request = f"GET {path} HTTP/1.1\r\nHost: {{name}}\r\nConnection: close\r\n\r\n"
        answer = said(victim, request.encode("latin-1"))
        status = answer[:12].decode("latin-1")
        if status not in ("HTTP/1.1 400", "HTTP/1.1 403", "HTTP/1.1 404") or b"root:" in answer:
            found[path] = answer[:80]
    assert found == {}


def test_no_request_hides_in_another(victim: Machine) -> None:
    hidden = CHUNKED + SMUGGLED
    found = {}
    for headers in DISPUTED:
        lines = headers.replace(b"{all}", str(len(hidden.replace(b"{name}", name_of(victim).encode()))).encode())
        answer = said(victim, b"POST /contact/ HTTP/1.1\r\nHost: {name}\r\n" + lines + b"\r\n\r\n" + hidden, 0.5)
        # One answer, a refusal of the whole; the second request is nobody's.
        if answer.count(b"HTTP/1.1 ") > 1 or not answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 403", b"HTTP/1.1 501")):
            found[headers] = answer[:200]
    assert found == {}
    assert "/smuggled" not in victim.run("tail -n 200 /var/log/nginx/access.log | cut -d'\"' -f2")


@pytest.mark.parametrize("upgrade", ["h2c", "HTTP/2.0", "TLS/1.0"])
def test_no_upgrade_goes_past_the_web_server(victim: Machine, upgrade: str) -> None:
    request = (
        f"GET / HTTP/1.1\r\nHost: {{name}}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {upgrade}\r\n"
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n"
    )
    assert not said(victim, request.encode(), 0.5).startswith(b"HTTP/1.1 101")


@pytest.mark.parametrize("kind", ["one line too long", "too many long lines", "a zero byte"])
def test_headers_have_limits(victim: Machine, kind: str) -> None:
    in_force = victim.run("nginx -T 2>/dev/null")
    ((number, kib),) = re.findall(r"large_client_header_buffers (\d+) (\d+)k;", in_force)
    line = b"a" * int(kib) * 1024
    lines = {
        "one line too long": [b"X-Long: " + line],
        "too many long lines": [b"X-%d: " % count + line[100:] for count in range(int(number) + 1)],
        "a zero byte": [b"X: a\0b"],
    }
    answer = said(victim, b"GET / HTTP/1.1\r\nHost: {name}\r\n" + b"\r\n".join(lines[kind]) + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")


def asked_elsewhere(victim: Machine, other: Machine, request: str, number: int = 1) -> list[tuple[int, float]]:
    """Return status and seconds of requests from another address, one after the other."""
    program = ASK.format(address=victim.address, name=name_of(victim), request=request, number=number)
    return [(status, seconds) for status, seconds in json.loads(other.run(f"python3 -c {shlex.quote(program)}"))]


@pytest.fixture
def other(environment: Environment, victim: Machine) -> Machine:
    """Another visitor: the other machine has an address of its own."""
    return next(machine for machine in environment.machines() if machine.name != victim.name)


@contextlib.contextmanager
def half_open(address: str, number: int) -> Iterator[list[socket.socket]]:
    """Hold connections whose request never ends, as many as the machine takes of this address."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], min(number + 500, limits[1])), limits[1]))
    held: list[socket.socket] = []

    def begin(port: int) -> None:
        with contextlib.suppress(OSError):
            stream = socket.create_connection((address, port), 2)
            stream.sendall(b"GET / HTTP/1.1\r\nX: " if port == 80 else b"\x16\x03\x01\x02\x00\x01")
            held.append(stream)

    try:
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            list(pool.map(begin, [80, 443] * (number // 2)))
        yield held
    finally:
        for stream in held:
            stream.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_half_open_connections_stop_nobody_else(victim: Machine, other: Machine) -> None:
    with half_open(victim.address, HALF_OPEN) as held:
        found = asked_elsewhere(victim, other, "GET /healthz/ HTTP/1.1", 5)
    print(f"{len(held)} of {HALF_OPEN} were taken; others waited {found}")
    most = victim.variable("web_connections_per_address")
    assert len(held) <= 2 * most + len((80, 443))
    assert all(status == OK and seconds < SOON for status, seconds in found), found


def test_guessing_passwords_is_slow_work(victim: Machine, other: Machine) -> None:
    body = b"username=ada&password=guess"
    length = str(len(body)).encode()
    for path in (b"/admin/login/", b"//admin//login/?next=/", b"/login/"):
        request = b"POST " + path + b" HTTP/1.1\r\nHost: {name}\r\nContent-Length: " + length + b"\r\n\r\n" + body
        last = said(victim, request * TOO_MANY, 3).split(b"HTTP/1.1 ")[-1]
        assert last.startswith(b"429"), (path, last[:200])
        assert b"Retry-After: 60" in last
    # The page itself is there for all, and the count is of one address.
    assert victim.browser().get("/admin/login/").status == 200
    assert asked_elsewhere(victim, other, "POST /admin/login/ HTTP/1.1")[0][0] == FORBIDDEN
    time.sleep(60 / victim.variable("web_logins_per_minute"))
    assert said(victim, request).startswith(b"HTTP/1.1 403")


def test_every_header_is_said_once(victim: Machine) -> None:
    for path in ("/", "/admin/login/", "/no-such-page/", "/static/none.css"):
        headers = victim.browser().get(path, follow=False).headers
        for name in ("X-Content-Type-Options", "Strict-Transport-Security"):
            assert len(headers.get_all(name) or []) == 1, (path, name)
    page = victim.browser().get("/").headers
    assert page.get_all("Content-Security-Policy") == [victim.variable("web_content_security_policy")]
    assert page.get_all("Cross-Origin-Resource-Policy") == ["same-origin"]
