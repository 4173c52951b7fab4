"""Nginx: what it answers, to whom, and what it tells the application."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.templates.reading import unit_values, version

if TYPE_CHECKING:
    from tests.support.expected import Expected
    from tests.templates.reading import Render

NGINX_SITE = r"/etc/nginx/conf\.d/.*"
#: Seconds for which WebSockets and streams may say nothing, and KiB of headers that an answer may have
LONGEST_SILENCE, WIDEST_HEADERS = 3600, 32


def test_http2_is_written_as_the_installed_nginx_knows_it(hosts: list[Expected]) -> None:
    for rendered in hosts:
        directive = version(rendered.machine["packages"]["nginx"]) >= (1, 25, 1)
        for path in rendered.matching(NGINX_SITE):
            text = rendered.text(path)
            assert ("http2 on;" in text) == directive
            assert bool(re.search(r"listen 443 ssl http2;", text)) != directive


def test_unknown_names_get_no_answer_on_any_nginx(hosts: list[Expected]) -> None:
    for rendered in hosts:
        rejects = version(rendered.machine["packages"]["nginx"]) >= (1, 19, 4)
        for path in rendered.matching(NGINX_SITE):
            text = rendered.text(path)
            assert ("ssl_reject_handshake on;" in text) == rejects
            assert text.count("return 444;") == 2


def test_nginx_listens_on_ipv6_where_there_is_any(hosts: list[Expected]) -> None:
    for rendered in hosts:
        for path in rendered.matching(NGINX_SITE):
            assert ("[::]:443" in rendered.text(path)) == rendered.machine["ipv6"]


def test_nginx_overwrites_what_the_application_trusts(hosts: list[Expected]) -> None:
    for rendered in hosts:
        for path in rendered.matching(NGINX_SITE):
            text = rendered.text(path)
            for header, wanted in (
                ("X-Forwarded-For", "$remote_addr"),
                ("X-Forwarded-Proto", "$scheme"),
                ("Host", "$host"),
            ):
                assert f"proxy_set_header {header} {wanted};" in text


def test_hsts_follows_its_variable(hosts: list[Expected]) -> None:
    for rendered in hosts:
        seconds = rendered.value("nginx_hsts")
        for path in rendered.matching(NGINX_SITE):
            found = set(re.findall(r'Strict-Transport-Security "max-age=(\d+)"', rendered.text(path)))
            assert found == ({str(seconds)} if seconds else set())


def test_upload_limit_follows_its_variable(hosts: list[Expected]) -> None:
    for rendered in hosts:
        for path in rendered.matching(r"/etc/nginx/nginx\.conf"):
            assert f"client_max_body_size {rendered.value('nginx_upload_limit')};" in rendered.text(path)


def test_a_policy_is_sent_where_one_is_declared(render: Render) -> None:
    (declared,) = render("debian-13", "release")
    (none,) = render("debian-13", "without limits")
    site = "/etc/nginx/conf.d/samestack.conf"
    assert f'"{declared.value("web_content_security_policy")}";' in declared.text(site)
    assert "add_header Content-Security-Policy $noticeboard_policy" not in none.text(site)
    assert "Policy-Report-Only $noticeboard_policy_report_only always" in none.text(site)
    (live,) = render("debian-13", "live")
    assert '"~^(404|500) " "";' in live.text(site), "Django's pages about errors lose their style"
    assert '"~^(404|500) " "";' not in declared.text(site)


def test_caught_mail_is_shown_to_who_develops_alone(render: Render) -> None:
    site = "/etc/nginx/conf.d/samestack.conf"
    (live,) = render("debian-13", "live")
    domain = f"mail.{live.value('app_domains')[0]}"
    assert f"server_name {domain};" in live.text(site)
    (path,) = unit_values(live.text("/etc/systemd/system/samestack-mail.socket"), "ListenStream")
    assert f"proxy_pass http://unix:{path};" in live.text(site)
    for name in ("release", "staging"):
        (other,) = render("debian-13", name)
        assert "server_name mail." not in other.text(site)
        assert other.matching(r"/etc/systemd/system/samestack-mail.*") == []


def test_an_answer_that_has_begun_may_be_silent(hosts: list[Expected]) -> None:
    for rendered in hosts:
        for path in rendered.matching(NGINX_SITE):
            text = rendered.text(path)
            found = {name: int(number) for name, number in re.findall(r"(proxy_\w+) +(?:8 )?(\d+)k?;", text)}
            assert found["proxy_read_timeout"] >= LONGEST_SILENCE <= found["proxy_send_timeout"]
            # Headers have to fit into one buffer, and busy ones below all of them (ngx_http_proxy_module).
            assert found["proxy_buffer_size"] >= WIDEST_HEADERS
            busy = found["proxy_busy_buffers_size"]
            assert max(found["proxy_buffer_size"], found["proxy_buffers"]) <= busy < 8 * found["proxy_buffers"]


def test_static_domain_serves_files_and_nothing_else(render: Render) -> None:
    for rendered in render("debian-12", "static domain"):
        text = rendered.text("/etc/nginx/conf.d/samestack.conf")
        blocks = re.split(r"^server \{", text, flags=re.MULTILINE)
        (block,) = [block for block in blocks if "server_name static.example.com;" in block]
        assert "proxy_pass" not in block
        assert "location /static/" in block


def test_development_shows_live_code_and_releases_do_not(render: Render) -> None:
    (live,) = render("debian-13", "live")
    (release,) = render("debian-13", "release")
    path = "/etc/noticeboard/gunicorn.conf.py"
    assert "reload = True" in live.text(path)
    assert "reload" not in release.text(path)
    for rendered, debug in ((live, "True"), (release, "False")):
        assert f'DEBUG="{debug}"' in rendered.text("/etc/noticeboard/env")
