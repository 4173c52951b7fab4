"""What the web server does before the application is asked."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.machines import Machine


def plain(site: Machine, host: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(site.address, 80, timeout=5)
    connection.request("GET", "/some/page?x=1", headers={"Host": host})
    return connection.getresponse()


def handshake(site: Machine, context: ssl.SSLContext, name: str) -> ssl.SSLSocket:
    with socket.create_connection((site.address, 443), timeout=5) as connection:
        return context.wrap_socket(connection, server_hostname=name)


def trusting(site: Machine) -> ssl.SSLContext:
    return site.browser().context


def test_http_leads_to_https(site: Machine) -> None:
    for name in site.variable("app_domains"):
        answer = plain(site, name)
        assert (answer.status, answer.headers["Location"]) == (301, f"https://{name}/some/page?x=1")


def test_unknown_names_get_no_answer(site: Machine) -> None:
    for name in ("unknown.example", site.address):
        with pytest.raises(ConnectionResetError):
            plain(site, name)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with pytest.raises(OSError, match=r"(?i)unrecognized name|alert|reset|EOF"):
        handshake(site, context, "unknown.example").recv(1)


def test_a_known_connection_does_not_open_unknown_names(site: Machine) -> None:
    browser = site.browser()
    try:
        status = browser.get("/", follow=False, Host="unknown.example").status
    except ConnectionResetError:
        return
    assert status in (400, 421)


def test_the_certificate_is_trusted_for_every_name(site: Machine) -> None:
    for name in site.variable("app_domains"):
        handshake(site, trusting(site), name).close()


def test_http2_is_offered(site: Machine) -> None:
    context = trusting(site)
    context.set_alpn_protocols(["h2", "http/1.1"])
    assert handshake(site, context, site.variable("app_domains")[0]).selected_alpn_protocol() == "h2"


@pytest.mark.parametrize(("version", "taken"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_tls_versions(site: Machine, version: str, taken: bool) -> None:
    context = trusting(site)
    # Old versions have to be allowed here, or this side would refuse.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    if taken:
        handshake(site, context, site.variable("app_domains")[0]).close()
    else:
        with pytest.raises(OSError, match=r"(?i)protocol|alert|version"):
            handshake(site, context, site.variable("app_domains")[0])


@pytest.mark.parametrize(("curve", "taken"), [("prime256v1", True), ("secp384r1", True), ("secp521r1", False)])
def test_curves_are_those_of_mozillas_intermediate_profile(site: Machine, curve: str, taken: bool) -> None:
    context = trusting(site)
    context.set_ecdh_curve(curve)
    if taken:
        handshake(site, context, site.variable("app_domains")[0]).close()
    else:
        with pytest.raises(OSError, match=r"(?i)alert|handshake"):
            handshake(site, context, site.variable("app_domains")[0])


def test_hsts_is_what_is_declared(site: Machine) -> None:
    found = site.browser().get("/").headers.get_all("Strict-Transport-Security") or []
    seconds = site.value("nginx_hsts")
    assert found == ([f"max-age={seconds}"] if seconds else [])


def test_no_header_is_said_twice(site: Machine) -> None:
    headers = site.browser().get("/").headers
    for name in ("X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Strict-Transport-Security", "Server"):
        assert len(headers.get_all(name) or []) <= 1, name
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Server"] == "nginx"


def static_file(site: Machine) -> str:
    files = [url for url in site.browser().get("/").static_files() if site.value("nginx_static_url") in url]
    assert files, "the home page uses no static file"
    return next((url for url in files if url.endswith(".css")), files[0])


def test_static_files_are_kept_for_ever_and_compressed(site: Machine) -> None:
    if site.value("nginx_static_live"):
        pytest.skip("live code: the application serves what is being edited")
    answer = site.browser().get(static_file(site), Accept_Encoding="gzip")
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_missing_static_file_is_not_the_applications_business(site: Machine) -> None:
    answer = site.browser().get(f"{site.value('nginx_static_url')}no-such-file.css")
    assert answer.status == 404
    assert "immutable" not in (answer.headers["Cache-Control"] or "")


def test_a_request_that_is_too_large_is_refused(site: Machine) -> None:
    name = site.variable("app_domains")[0]
    connection = handshake(site, trusting(site), name)
    length = site.value("nginx_upload_limit") + 1
    connection.sendall(f"POST / HTTP/1.1\r\nHost: {name}\r\nContent-Length: {length}\r\n\r\n".encode())
    assert b" 413 " in connection.recv(64)


def test_forged_forwarding_headers_are_overwritten(site: Machine) -> None:
    answer = site.browser().get(
        "/", follow=False, X_Forwarded_Proto="http", X_Forwarded_Host="evil.example", X_Forwarded_For="1.2.3.4"
    )
    assert answer.status in (200, 302)
    assert "evil.example" not in answer.text
    assert not (answer.headers["Location"] or "").startswith("http:")
