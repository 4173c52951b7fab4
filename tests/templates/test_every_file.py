"""What holds of every file that is rendered."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from plugins.modules import machine_facts
from tests.templates.reading import RECORDER, SECRETS, WATCH
from tests.templates.rendering import RELEASES

if TYPE_CHECKING:
    from tests.support.expected import Expected
    from tests.templates.reading import Render

BACKUPS = "/usr/local/lib/samestack/backups/"
ALERTS = "/usr/local/lib/samestack/alerting/"


def server_blocks(rendered: Expected) -> list[str]:
    return re.split(r"^server \{", rendered.text("/etc/nginx/conf.d/samestack.conf"), flags=re.MULTILINE)


@pytest.mark.parametrize("release", RELEASES)
def test_the_facts_are_those_of_the_module(release: str) -> None:
    documented = yaml.safe_load(machine_facts.RETURN)["ansible_facts"]["sample"]["machine"]
    assert set(RELEASES[release]) == set(documented)


def test_nothing_is_left_unrendered(hosts: list[Expected]) -> None:
    for rendered in hosts:
        for path in rendered.matching(r".*\.(conf|service|timer|py|sh|html)|.*-(manage|start)|.*/env"):
            if path.startswith((RECORDER, BACKUPS, WATCH, ALERTS)):
                continue
            text = rendered.text(path)
            assert "{%" not in text, path
            assert not re.search(r"\{\{|AnsibleUndefined|\bNone\b.*#", text), path


def test_every_file_says_where_it_is_made(hosts: list[Expected]) -> None:
    for rendered in hosts:
        for path in rendered.matching(
            r"/etc/(nginx|systemd|redis|postgresql|ssh|tmpfiles\.d|sysusers\.d)/.*\.(conf|service|timer)"
        ):
            # The project's own files are copied as they are.
            if path.endswith("/project.conf") or path.startswith("/etc/nginx/project/"):
                continue
            first = "\n".join(rendered.text(path).splitlines()[:3])
            assert re.search(
                r"Made by Samestack from roles/\w+/templates/[\w.-]+; changes made here are overwritten", first
            ), path


def test_secrets_stand_only_in_files_that_others_cannot_read(hosts: list[Expected]) -> None:
    for rendered in hosts:
        for path in rendered.matching(".*"):
            entry = rendered.entries[path]
            text = rendered.text(path)
            for name in SECRETS:
                secret = rendered.value(name)
                if secret in text or secret.replace("$", "\\$").replace('"', '\\"') in text:
                    assert int(entry["mode"] or "0644", 8) & 0o007 == 0, f"{path} shows {name} to everyone"
                    assert entry["secret"], f"a diff of {path} would show {name}"
            if "PRIVATE KEY" in text:
                assert (entry["mode"], entry["secret"]) == ("0600", True), path


def test_staging_and_production_get_the_same_but_for_their_names(render: Render) -> None:
    (staging,) = render("debian-13", "staging")
    (production,) = render("debian-13", "without backups")
    assert set(staging.entries) == set(production.entries)
    for path in staging.matching(".*"):
        # Certificates, and what the recorder has to know of names
        if not path.startswith(("/etc/nginx/tls/", "/etc/samestack/")):
            assert staging.text(path).replace("staging.", "production.") == production.text(path), path


def test_files_of_ones_own_are_where_they_are_read(render: Render) -> None:
    (rendered,) = render("debian-13", "files of one's own")
    robots = rendered.entries["/etc/nginx/project/robots.conf"]
    assert "Allow: /" in rendered.text(robots["path"])
    assert "{{" not in rendered.text(robots["path"])
    assert (robots["validate"], robots["reload"]) == (["nginx -t"], ["nginx.service"])
    assert rendered.entries["/etc/nginx/project"]["exclusive"]
    web = rendered.entries["/etc/systemd/system/noticeboard-web@.service.d/project.conf"]
    assert web["apply"] == ["touch /var/lib/samestack/owed/noticeboard"]
    assert web["validate"] == ["systemd-analyze verify --man=no noticeboard-web@any.service"]
    assert "Nice=19" in rendered.text("/etc/systemd/system/noticeboard-timer-tidy.service.d/project.conf")
    # Whoever deletes the file takes the drop-in away.
    assert rendered.entries["/etc/systemd/system/noticeboard-worker-queue@.service.d/project.conf"]["state"] == "absent"
    (block,) = [part for part in server_blocks(rendered) if "proxy_pass" in part]
    # After all locations of ours: so it is the project's file that Nginx names where the two contradict each other.
    assert block.index("include /etc/nginx/project/*.conf;") > block.rindex("location ")
    assert sum("/etc/nginx/project" in part for part in server_blocks(rendered)) == 1


def test_one_more_service_is_everywhere_that_it_has_to_be(render: Render) -> None:
    """The role says it once; packages, the app's environment and its units follow."""
    (rendered,) = render("debian-13", "with memcached")
    assert "memcached" in rendered.value("host_packages")
    assert re.search(r"^-l 127\.0\.0\.1$", rendered.text("/etc/memcached.conf"), re.MULTILINE)
    assert rendered.value("django_secret_env")["MEMCACHED_LOCATION"] == "127.0.0.1:11211"
    assert "memcached.service" in rendered.value("django_after")
    assert not [port for port in rendered.value("host_open_ports") if port["port"] == 11211]
    (other,) = render("debian-13", "staging")
    assert "memcached" not in other.value("host_packages")


def test_certificates_fit_their_keys(hosts: list[Expected]) -> None:
    for rendered in hosts:
        for path in rendered.matching(".*"):
            # Those of ssh have no certificates.
            if re.search("(?<!OPENSSH )PRIVATE KEY", rendered.text(path)):
                # One file for both, or one beside the other
                text = rendered.text(path) + rendered.text(path.replace(".key", ".crt"))
                key = serialization.load_pem_private_key(text.encode(), None)
                certificate = x509.load_pem_x509_certificate(text.encode())
                assert key.public_key() == certificate.public_key(), path


def test_limits_follow_their_variables(render: Render) -> None:
    (limited,) = render("debian-13", "release")
    (free,) = render("debian-13", "without limits")
    site, wall = "/etc/nginx/conf.d/samestack.conf", "/etc/nftables.conf"
    assert f"ct count over {limited.value('web_connections_per_address')} " in limited.text(wall)
    for path in limited.value("web_login_paths"):
        assert f'"POST {path}"' in limited.text(site)
    assert "ct count" not in free.text(wall)
    assert "limit_" not in free.text(site)
