"""What must hold of the rendered files, on every release and in every variant."""

from __future__ import annotations

import ast
import functools
import json
import re
import sys
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from plugins.modules import machine_facts
from tests.templates.rendering import RELEASES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.expected import Expected

    Render = Callable[[str, str], list[Expected]]

#: Copied as it stands
RECORDER = "/usr/local/lib/samestack/recorder/"
BACKUPS = "/usr/local/lib/samestack/backups/"
WATCH = "/usr/local/lib/samestack/watching/"
NGINX_SITE = r"/etc/nginx/conf\.d/.*"
SECRETS = (
    "vault_app_secret_key", "vault_database_password", "vault_database_owner_password", "vault_redis_password",
    "vault_ca_key", "vault_backup_s3_secret", "vault_backup_sftp_key",
)  # fmt: skip


#: Seconds for which WebSockets and streams may say nothing, and KiB of headers that an answer may have
LONGEST_SILENCE, WIDEST_HEADERS = 3600, 32


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def environment(text: str) -> dict[str, str]:
    """Read an environment file by the rules of systemd.exec(5) for double quotes."""
    found = re.findall(r'^(\w+)="((?:\\.|[^"\\])*)"$', text, re.MULTILINE | re.DOTALL)
    return {name: re.sub(r'\\(["\\`$])', r"\1", quoted) for name, quoted in found}


@functools.cache
def python(text: str) -> ast.Module:
    """Read a file as Python 3.10; raises SyntaxError. Every host gets most of them alike."""
    return ast.parse(text, feature_version=(3, 10))


@functools.cache
def imports(text: str) -> list[ast.AST]:
    return [node for node in ast.walk(python(text)) if isinstance(node, ast.Import | ast.ImportFrom)]


def unit_values(text: str, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", text, re.MULTILINE)


@pytest.mark.parametrize("release", RELEASES)
def test_the_facts_are_those_of_the_module(release: str) -> None:
    documented = yaml.safe_load(machine_facts.RETURN)["ansible_facts"]["sample"]["machine"]
    assert set(RELEASES[release]) == set(documented)


def test_nothing_is_left_unrendered(hosts: list[Expected]) -> None:
    for rendered in hosts:
        for path in rendered.matching(r".*\.(conf|service|timer|py|sh|html)|.*-(manage|start)|.*/env"):
            if path.startswith((RECORDER, BACKUPS, WATCH)):
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


def test_migrations_have_the_applications_environment_but_for_the_databases_role(hosts: list[Expected]) -> None:
    for rendered in hosts:
        app, user = rendered.value("app_name"), rendered.value("database_user")
        path = f"/etc/{app}/owner.env"
        if f"/etc/{app}/env" not in rendered.entries or rendered.entries[path]["state"] == "absent":
            continue
        assert (rendered.entries[path]["owner"], rendered.entries[path]["mode"]) == ("root", "0600")
        served, owner = (environment(rendered.text(f"/etc/{app}/{name}")) for name in ("env", "owner.env"))
        different = {name for name in owner if owner[name] != served.get(name)}
        at_home = {name for name in owner if name == "HOME" or name.startswith("XDG_")}
        assert different - {"DATABASE_URL"} == at_home
        # What the application can put at its home, nobody with more rights reads there.
        assert all(owner[name].startswith(f"/srv/{app}/shared/owner") for name in at_home)
        assert served.keys() == owner.keys()
        assert served["DATABASE_URL"].startswith(f"postgresql://{user}@") == rendered.value("database_is_local")
        assert owner["DATABASE_URL"].startswith(f"postgresql://{user}_owner")


def test_env_file_is_roots_and_gives_back_what_was_put_in(hosts: list[Expected]) -> None:
    for rendered in hosts:
        app = rendered.value("app_name")
        path = f"/etc/{app}/env"
        if path not in rendered.entries:
            continue
        entry = rendered.entries[path]
        assert (entry["owner"], entry["mode"]) == ("root", "0640")
        found = environment(rendered.text(path))
        wanted = {**rendered.value("django_env"), **rendered.value("django_secret_env")}
        assert found == {name: str(item) for name, item in wanted.items()}


def test_secret_files_are_shown_to_every_process_and_are_in_no_other_file(hosts: list[Expected]) -> None:
    for rendered in hosts:
        app, secrets = rendered.value("app_name"), rendered.value("django_secret_files")
        folder = f"/etc/{app}/credentials"
        assert rendered.matching(rf"{folder}/.+") == [f"{folder}/{name}" for name in sorted(secrets)]
        units = rendered.matching(rf"/etc/systemd/system/{app}-(web|worker|timer)[^/]*\.service")
        for path in [*units, f"/usr/local/lib/samestack/{app}-sandbox"] if secrets else []:
            text = rendered.text(path)
            assert unit_values(text, "LoadCredential") == [f"{name}:{folder}/{name}" for name in secrets], path
            if path in units:
                named = [value for value in unit_values(text, "Environment") if "_FILE=" in value]
                assert named == [f"{name}_FILE=%d/{name}" for name in secrets], path
        for name, value in secrets.items():
            entry = rendered.entries[f"{folder}/{name}"]
            assert (entry["owner"], entry["mode"], entry["secret"]) == ("root", "0600", True)
            assert [path for path in rendered.matching(".*") if value in rendered.text(path)] == [f"{folder}/{name}"]
            manage = rendered.text(f"/usr/local/bin/{app}-manage")
            assert f"'{name}_FILE=${{CREDENTIALS_DIRECTORY}}/{name}'" in manage


def test_a_machine_says_whose_it_is(hosts: list[Expected]) -> None:
    """What cannot be read counts as nobody's machine, which refuses nobody."""
    for rendered in hosts:
        said = json.loads(rendered.text("/etc/samestack/machine.json"))
        assert {"app", "environment", "keys", "former"} <= set(said)


def test_no_apt_run_restarts_services(hosts: list[Expected]) -> None:
    for rendered in hosts:
        there = rendered.matching(r"/etc/needrestart/.*")
        assert bool(there) == (rendered.machine["os"] == "ubuntu")
        assert all("\n$nrconf{restart} = 'l';\n" in rendered.text(path) for path in there)


def test_sudo_is_told_what_the_installed_one_knows(hosts: list[Expected]) -> None:
    for rendered in hosts:
        text = rendered.text("/etc/sudoers.d/samestack")
        assert "Defaults use_pty" in text
        assert ("logfile" in text) == (not rendered.machine["sudo_rs"])


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


def test_units_run_as_the_application_in_a_sandbox(hosts: list[Expected]) -> None:
    for rendered in hosts:
        app = rendered.value("app_name")
        units = rendered.matching(rf"/etc/systemd/system/{app}-(web|worker|timer)[^/]*\.service")
        assert units or f"/etc/{app}/env" not in rendered.entries
        for path in units:
            text = rendered.text(path)
            assert unit_values(text, "User") == [app], path
            assert unit_values(text, "NoNewPrivileges") == ["true"], path
            assert unit_values(text, "ProtectSystem") == ["strict"], path
            assert unit_values(text, "CapabilityBoundingSet") == [""], path
            files = unit_values(text, "EnvironmentFile")
            assert files[0] == f"/etc/{app}/env", f"{path}: the release's file comes second, because the later one wins"
            assert files[1].endswith("/release.env"), path
            assert "RuntimeDirectory" not in text, "the first instance that stops would take it away from the others"


def test_commands_that_run_once_are_confined_as_what_serves(hosts: list[Expected]) -> None:
    for rendered in hosts:
        app = rendered.value("app_name")
        path = f"/usr/local/lib/samestack/{app}-sandbox"
        if path not in rendered.entries:
            continue
        lines = [line for line in rendered.text(path).splitlines() if not line.startswith("#")]
        assert ("MemoryDenyWriteExecute=true" in lines) == (not rendered.value("app_jit"))
        for unit in rendered.matching(rf"/etc/systemd/system/{app}-(web|worker|timer)[^/]*\.service"):
            assert set(lines) <= set(rendered.text(unit).splitlines()), unit
        assert f"-p '{next(line for line in lines if ' ' in line)}' " in rendered.text(f"/usr/local/bin/{app}-manage")


def test_the_application_reaches_its_services_and_what_is_named(render: Render) -> None:
    (alone,) = render("debian-13", "release")
    path = "/etc/nftables.d/noticeboard.nft"
    accepted = re.compile(r"^ +(ip6? daddr \S+ (?:tcp dport \d+ )?)accept$", re.MULTILINE)
    own = "ip daddr 127.0.0.1 tcp dport 6379 "
    assert accepted.findall(alone.text(path)) == [own]
    (named,) = render("debian-13", "what the application reaches")
    assert accepted.findall(named.text(path)) == ["ip daddr 127.0.0.1 tcp dport 25 ", "ip6 daddr 2001:db8::/64 ", own]
    web, _database = render("debian-13", "two machines")
    assert accepted.findall(web.text(path)) == [f"ip daddr 10.0.3.32 tcp dport {port} " for port in (5432, 6379)]


def test_limits_follow_their_variables(render: Render) -> None:
    (limited,) = render("debian-13", "release")
    (free,) = render("debian-13", "without limits")
    site, wall = "/etc/nginx/conf.d/samestack.conf", "/etc/nftables.conf"
    assert f"ct count over {limited.value('web_connections_per_address')} " in limited.text(wall)
    for path in limited.value("web_login_paths"):
        assert f'"POST {path}"' in limited.text(site)
    assert "ct count" not in free.text(wall)
    assert "limit_" not in free.text(site)


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


def test_what_serves_comes_back_after_a_crash(hosts: list[Expected]) -> None:
    for rendered in hosts:
        app = rendered.value("app_name")
        for path in rendered.matching(rf"/etc/systemd/system/{app}-(web|worker)[^/]*\.service"):
            text = rendered.text(path)
            assert unit_values(text, "Restart") == ["always"], path
            assert unit_values(text, "StartLimitIntervalSec") == ["0"], path
            stop = int(unit_values(text, "TimeoutStopSec")[0])
            assert stop > rendered.value("django_stop_timeout"), "systemd would kill what still finishes its requests"


def test_workers_have_the_time_that_they_are_given(hosts: list[Expected]) -> None:
    for rendered in hosts:
        app = rendered.value("app_name")
        for name, worker in rendered.value("django_workers").items():
            text = rendered.text(f"/etc/systemd/system/{app}-worker-{name}@.service")
            assert unit_values(text, "KillMode") == ["mixed"], "its first process alone is asked to end"
            assert unit_values(text, "KillSignal") == [f"SIG{worker['stop_signal']}"]
            assert int(unit_values(text, "TimeoutStopSec")[0]) > worker["stop_timeout"]
            # A shell in front would end at once, and leave the rest to be killed.
            (command,) = unit_values(text, "ExecStart")
            assert '"exec ' in command or "samestack_stop.py" in "".join(unit_values(text, "ExecStop")), command


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


def test_every_process_has_its_units(hosts: list[Expected]) -> None:
    for rendered in hosts:
        app = rendered.value("app_name")
        workers = {f"/etc/systemd/system/{app}-worker-{name}@.service" for name in rendered.value("django_workers")}
        assert set(rendered.matching(rf"/etc/systemd/system/{app}-worker-.*")) == workers
        timers = {f"/etc/systemd/system/{app}-timer-{name}.timer" for name in rendered.value("django_timers")}
        assert set(rendered.matching(rf"/etc/systemd/system/{app}-timer-.*\.timer")) == timers


def test_ports_are_open_for_those_who_need_them(hosts: list[Expected]) -> None:
    for rendered in hosts:
        text = rendered.text("/etc/nftables.conf")
        assert "policy drop;" in text
        anyone = {int(port) for port in re.findall(r"^\s*tcp dport (\d+) accept", text, re.MULTILINE)}
        rules = rendered.value("host_open_ports")
        assert anyone == {rule["port"] for rule in rules if not rule.get("from")}
        wanted = {rule["port"]: rule["from"] for rule in rules if rule.get("from")}
        found: dict[int, list[str]] = {}
        for sources, port in re.findall(r"saddr \{ (.*) \} tcp dport (\d+) accept", text):
            found.setdefault(int(port), []).extend(sources.split(", "))
        assert found == wanted


def test_database_listens_only_where_there_are_clients(hosts: list[Expected]) -> None:
    for rendered in hosts:
        major = rendered.machine["packages"]["postgresql"]
        path = f"/etc/postgresql/{major}/main/conf.d/samestack.conf"
        if path not in rendered.entries:
            continue
        text = rendered.text(path)
        clients = rendered.value("postgresql_clients")
        assert f"listen_addresses = '{'*' if clients else ''}'" in text
        rules = rendered.text(f"/etc/postgresql/{major}/main/pg_hba.conf")
        assert re.findall(r"^hostssl .*?(\S+)/32\s+scram-sha-256$", rules, re.MULTILINE) == clients
        assert not re.search(
            r"\b(trust|md5|password)\b", "\n".join(line for line in rules.splitlines() if line[:1] != "#")
        )


def test_gunicorns_settings_are_python_that_old_hosts_read(hosts: list[Expected]) -> None:
    for rendered in hosts:
        for path in rendered.matching(r".*\.py"):
            python(rendered.text(path))


def test_redis_needs_nothing_that_the_oldest_lacks(hosts: list[Expected]) -> None:
    # Redis 6.0 (Ubuntu 22.04) takes no `-` before an address; without a `bind`, every version listens everywhere.
    for rendered in hosts:
        if "/etc/redis/redis.conf" in rendered.entries:
            assert not re.search(r"^bind .* -", rendered.text("/etc/redis/redis.conf"), re.MULTILINE)


@pytest.mark.parametrize("release", ["debian-13", "ubuntu-22.04"])
def test_two_machines_talk_over_tls_only(render: Render, release: str) -> None:
    web, database = render(release, "two machines")
    assert "postgresql" not in web.templars
    assert "nginx" not in database.templars
    major = database.machine["packages"]["postgresql"]
    settings = database.text(f"/etc/postgresql/{major}/main/conf.d/samestack.conf")
    assert "ssl = 'on'" in settings
    redis = database.text("/etc/redis/redis.conf")
    assert re.search(r"^port 0$", redis, re.MULTILINE)
    assert re.search(r"^tls-port 6379$", redis, re.MULTILINE)
    variables = environment(web.text(f"/etc/{web.value('app_name')}/env"))
    assert "@10.0.3.32:5432/" in variables["DATABASE_URL"]
    assert "sslmode=verify-full" in variables["DATABASE_URL"]
    assert variables["REDIS_URL"].startswith("rediss://")


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


def server_blocks(rendered: Expected) -> list[str]:
    return re.split(r"^server \{", rendered.text("/etc/nginx/conf.d/samestack.conf"), flags=re.MULTILINE)


def test_shared_memory_is_counted_by_what_no_other_application_changes(hosts: list[Expected]) -> None:
    """Nginx takes none of its files up where a zone would be counted by another variable than before."""
    for rendered in hosts:
        if "/etc/nginx/conf.d/samestack.conf" not in rendered.entries:
            continue
        site = rendered.text("/etc/nginx/conf.d/samestack.conf")
        zones = re.findall(r"^limit_\w+_zone (\S+) zone=(\w+)", site, re.MULTILINE)
        assert len(zones) == len(re.findall("zone=.*:10m", site))
        assert rendered.value("__nginx_variable") not in str(zones)


def test_one_machine_is_reached_from_itself_only(render: Render) -> None:
    (rendered,) = render("debian-13", "release")
    variables = environment(rendered.text("/etc/noticeboard/env"))
    assert "@/" in variables["DATABASE_URL"]
    assert re.fullmatch(r"redis://noticeboard:[^@]+@127\.0\.0\.1:6379", variables["REDIS_URL"])
    redis = rendered.text("/etc/redis/redis.conf")
    assert re.search(r"^bind 127\.0\.0\.1$", redis, re.MULTILINE)
    assert "tls-port" not in redis
    # Whoever comes with the password alone is nobody else: the same rights, no more.
    users = dict(re.findall(r"^user (\S+) (.*)$", rendered.text("/etc/redis/users.acl"), re.MULTILINE))
    assert users["default"] == users["noticeboard"]
    assert "nopass" not in str(users)
    assert "listen_addresses = ''" in rendered.text("/etc/postgresql/17/main/conf.d/samestack.conf")


def test_an_application_that_knows_no_password_gets_into_redis_and_rules_nothing(render: Render) -> None:
    (rendered,) = render("debian-13", "without a password for redis")
    users = dict(re.findall(r"^user (\S+) (.*)$", rendered.text("/etc/redis/users.acl"), re.MULTILINE))
    assert users["default"].split()[:3] == ["reset", "on", "nopass"]
    assert "nopass" not in users["noticeboard"] + users["samestack"]
    assert users["default"].partition("~")[2] == users["noticeboard"].partition("~")[2]


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


def test_without_redis_nothing_of_it_is_left(render: Render) -> None:
    (rendered,) = render("ubuntu-22.04", "without redis")
    assert not [path for path in rendered.entries if "redis" in path and not path.startswith((RECORDER, WATCH))]
    assert "REDIS_URL" not in rendered.text("/etc/noticeboard/env")
    assert not any("redis" in package for package in rendered.value("host_packages"))


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


def test_staging_and_production_get_the_same_but_for_their_names(render: Render) -> None:
    (staging,) = render("debian-13", "staging")
    (production,) = render("debian-13", "without backups")
    assert set(staging.entries) == set(production.entries)
    for path in staging.matching(".*"):
        # Certificates, and what the recorder has to know of names
        if not path.startswith(("/etc/nginx/tls/", "/etc/samestack/")):
            assert staging.text(path).replace("staging.", "production.") == production.text(path), path


def test_backups_elsewhere_are_sent_to_whom_they_are_meant_for(render: Render) -> None:
    """A server's certificate or key is checked, keys are where nobody reads them, and a drill has no network."""
    (production,) = render("debian-13", "backups elsewhere")
    conf = production.text("/etc/pgbackrest/pgbackrest.conf")
    assert "repo1-" not in conf
    for line in (
        "repo2-type=s3", "repo2-path=/noticeboard/rehearsal-production/database", "repo2-s3-uri-style=host",
        "repo2-storage-ca-file=/etc/samestack/backup-s3-ca.crt", "repo3-sftp-host-key-check-type=strict",
        "repo3-sftp-known-host=/etc/samestack/backup-sftp.hosts",
        "repo3-path=/backups/noticeboard/rehearsal-production/database",
    ):  # fmt: skip
        assert f"\n{line}\n" in conf
    assert "verify" not in conf
    alone = production.text("/etc/pgbackrest/push-3.conf")
    assert "archive-async=y" in alone
    assert "repo2-" not in alone
    assert production.entries["/etc/pgbackrest/push-1.conf"]["state"] == "absent"
    script = production.text("/usr/local/lib/samestack/pgbackrest-archive")
    assert "for conf in /etc/pgbackrest/push-2.conf /etc/pgbackrest/push-3.conf; do" in script
    assert production.text("/etc/samestack/backup-sftp.hosts").startswith("[u1.example.net]:23 ssh-ed25519 AAAA")
    assert "StrictHostKeyChecking yes" in production.text("/etc/samestack/backup-sftp.conf")
    modes = {path: production.entries[path]["mode"] for path in production.matching(r".*sftp\.key")}
    assert modes == {"/etc/samestack/backup-sftp.key": "0600", "/etc/pgbackrest/sftp.key": "0600"}
    unit = "/etc/systemd/system/samestack-backup-drill{}.service"
    assert "PrivateNetwork=yes" in production.text(unit.format(""))
    assert "PrivateNetwork" not in production.text(unit.format("-fetch"))
    (staging,) = render("debian-13", "staging")
    assert unit.format("-fetch") not in staging.entries


def test_a_backup_host_is_reached_over_ipv6(render: Render) -> None:
    found = {one.host: one for one in render("debian-13", "backups over ipv6")}
    assert '"rest:https://[fd00::32]:8433/"' in found["production1"].text("/etc/samestack/backup.json")
    assert "--addr=[fd00::32]:8433" in found["backup1"].text("/etc/systemd/system/samestack-backup-uploads.service")


def test_memory_rule_reaches_the_server(render: Render) -> None:
    (small,) = render("debian-13", "small container without ipv6")
    (large,) = render("debian-13", "large machine")
    name = "/etc/postgresql/17/main/conf.d/samestack.conf"
    assert "shared_buffers = '56MB'" in small.text(name)
    assert "shared_buffers = '16056MB'" in large.text(name)


def test_the_recorder_is_whole_and_needs_nothing_but_python(hosts: list[Expected]) -> None:
    """Every file of ours that one of its files imports is there, too."""
    for rendered in hosts:
        names = {path.removeprefix(RECORDER) for path in rendered.matching(RECORDER + r".*\.py")}
        assert {"__main__.py", "plugins/module_utils/manifest/main.py"} <= names
        for name in names:
            for node in imports(rendered.text(f"{RECORDER}{name}")):
                if isinstance(node, ast.ImportFrom) and node.level:
                    folder = PurePosixPath(name).parents[node.level - 1] / (node.module or "").replace(".", "/")
                    for alias in node.names:
                        ways = {f"{folder}.py", f"{folder}/__init__.py"} if node.module else set()
                        ways |= {f"{folder}/{alias.name}.py", f"{folder}/{alias.name}/__init__.py"}
                        assert ways & names, f"{name} imports {alias.name} of {folder}"
                elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("plugins."):
                    assert f"{str(node.module).replace('.', '/')}.py" in names, f"{name} imports {node.module}"
                elif isinstance(node, ast.Import | ast.ImportFrom):
                    named = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                    assert {str(one).split(".")[0] for one in named} <= {*sys.stdlib_module_names, "plugins"}, name


def test_the_recorder_knows_what_is_secret_and_nothing_of_it(hosts: list[Expected]) -> None:
    for rendered in hosts:
        config = json.loads(rendered.text("/etc/samestack/recorder.json"))
        assert set(config["secrets"]) == set(rendered.value("parity_secrets"))
        key = rendered.text("/etc/samestack/manifest.key").strip()
        assert re.fullmatch(r"[0-9a-f]{64}", key)
        assert key not in rendered.text("/etc/samestack/recorder.json")
        for domain in rendered.value("app_domains"):
            assert config["names"][domain] == "app_domains"


def test_apt_never_waits_for_a_recording(hosts: list[Expected]) -> None:
    for rendered in hosts:
        hook = rendered.text("/etc/apt/apt.conf.d/90samestack-manifest")
        assert "--no-block" in hook
        assert "|| true" in hook
