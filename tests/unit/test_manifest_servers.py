"""nginx, PostgreSQL and Redis, by what they print."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.manifest.reading.machine import MissingError
from plugins.module_utils.manifest.reading.postgresql_files import comparable, waiting
from plugins.module_utils.manifest.reading.sql import rows
from plugins.module_utils.manifest.sections.nginx import build, collect, directives, joined, parts
from plugins.module_utils.manifest.sections.postgresql import database, role, rules
from plugins.module_utils.manifest.sections.schema import migrations, schema
from roles.redis.manifest.redis import collect as redis
from roles.redis.manifest.redis import waiting as redis_waiting
from tests.support.paper_host import PaperHost

if TYPE_CHECKING:
    from pathlib import Path

NGINX_T = """# configuration file /etc/nginx/nginx.conf:
user www-data; # who
events { worker_connections 768; }
http {
    log_format main '$remote_addr - "$request"; {x}';
    include conf.d/*.conf;
    include /etc/nginx/mime.types;
}

# configuration file /etc/nginx/conf.d/site.conf:
map $uri $cache {
    default "public, max-age=300";
    "~\\.[0-9a-f]{8,64}\\.[^/]+$" "immutable";
}
server {
    listen 443 ssl; listen [::]:443 ssl;
    server_name staging.noticeboard.test;
    location ~ "^/x{1,2}$" { return 200 "a;b}"; }
    location / {
        if ($request_method = POST) { return 405; }
        proxy_set_header Host $host;
        proxy_set_header X-Real-IP $remote_addr;
        include snippets/headers;
    }
}
server { listen 80 default_server; return 444; }

# configuration file /etc/nginx/mime.types:
types { text/html html htm; }
# configuration file /etc/nginx/snippets/headers:
add_header X-A "b";
"""
BOOKWORM = """nginx version: nginx/1.22.1
built with OpenSSL 3.0.8 7 Feb 2023 (running with OpenSSL 3.0.17 1 Jul 2025)
TLS SNI support enabled
configure arguments: --with-cc-opt='-g -O2 -ffile-prefix-map=/build/nginx-1.22=. -fPIC' --prefix=/usr/share/nginx \
--with-http_ssl_module --with-stream=dynamic --with-http_v2_module
"""
NOBLE = (
    "nginx version: nginx/1.24.0 (Ubuntu)\nbuilt with OpenSSL 3.0.10 1 Aug 2023\nconfigure arguments: --with-threads\n"
)


def test_directives_have_the_path_of_their_blocks() -> None:
    found = joined(directives(parts(NGINX_T)))
    site = "http/server[staging.noticeboard.test 443]"
    assert found["user"] == "www-data"
    assert found["events/worker_connections"] == "768"
    assert found["http/log_format"] == "main '$remote_addr - \"$request\"; {x}'"
    assert found[site + '/location[~ "^/x{1,2}$"]/return'] == '200 "a;b}"'
    assert found[f"{site}/location[/]/if[($request_method = POST)]/return"] == "405"
    assert found[f"{site}/location[/]/proxy_set_header"] == ["Host $host", "X-Real-IP $remote_addr"]
    assert found[f"{site}/location[/]/add_header"] == 'X-A "b"'
    assert found["http/server[80]/return"] == "444"
    assert found["http/types/text/html"] == "html htm"
    assert found["http/map[$uri $cache]/default"] == '"public, max-age=300"'


def test_comments_and_spacing_are_no_difference() -> None:
    other = NGINX_T.replace("user www-data; # who", "# nothing\nuser    www-data;").replace("    ", "\t")
    assert joined(directives(parts(other))) == joined(directives(parts(NGINX_T)))


@pytest.mark.parametrize(
    ("text", "version", "options"),
    [
        (BOOKWORM, "1.22.1", ["--with-http_ssl_module", "--with-http_v2_module", "--with-stream=dynamic"]),
        (NOBLE, "1.24.0", ["--with-threads"]),
    ],
)
def test_builds_of_nginx(text: str, version: str, options: list[str]) -> None:
    assert build(text)[:2] == (version, options)


def test_a_file_that_nginx_has_not_read_is_named(tmp_path: Path) -> None:
    host = PaperHost(tmp_path)
    host.answers = {"nginx -V": "", "nginx -T": NGINX_T}
    host.write("/run/nginx.pid", "7\n")
    host.write("/proc/7/task/7/children", "8 9 ")
    for child in "89":
        host.write(
            f"/proc/{child}/stat", f"{child} (nginx: worker) S " + "0 " * 18 + f"{100 * os.sysconf('SC_CLK_TCK')} 0"
        )
    host.write("/proc/stat", "cpu 0\nbtime 1000\n")
    host.write("/etc/nginx/nginx.conf", "")
    host.write("/etc/nginx/mime.types", "")
    os.utime(tmp_path / "etc/nginx/nginx.conf", (1050, 1050))
    os.utime(tmp_path / "etc/nginx/mime.types", (1200, 1200))
    assert collect(host)["not read yet"] == ["/etc/nginx/mime.types"]


@pytest.mark.parametrize(
    ("one", "other", "unit", "kind"),
    [
        ("8MB", "8192", "kB", "integer"),
        ("1GB", "131072", "8kB", "integer"),
        ("1min", "60", "s", "integer"),
        ("5s", "5000", "ms", "integer"),
        ("200", "200ms", "ms", "integer"),
        ("0.1", "0.10", None, "real"),
        ("yes", "on", None, "bool"),
        ("f", "off", None, "bool"),
        ("Replica", "replica", None, "enum"),
        ("-1", "-1", "ms", "integer"),
    ],
)
def test_settings_that_are_equal(one: str, other: str, unit: str | None, kind: str) -> None:
    assert comparable(one, unit, kind) == comparable(other, unit, kind)


def known(name: str, setting: str, unit: str | None = None, kind: str = "integer") -> dict[str, Any]:
    return {"name": name, "setting": setting, "unit": unit, "vartype": kind, "source": "configuration file"}


def written(name: str, setting: str, error: str | None = None) -> dict[str, Any]:
    return {"name": name, "setting": setting, "error": error, "applied": not error}


def test_what_stands_in_the_files_and_is_not_in_force() -> None:
    files = [
        written("work_mem", "77MB"),
        written("max_connections", "123", "setting could not be applied"),
        written("shared_buffers", "128MB"),
        written("datestyle", "iso, mdy"),
        written("wal_compression", "on"),
        written("nonsense", "1", 'unrecognized configuration parameter "nonsense"'),
    ]
    servers = [
        known("work_mem", "4096", "kB"),
        known("max_connections", "100"),
        known("shared_buffers", "16384", "8kB"),
        known("DateStyle", "ISO, MDY", kind="string"),
        known("wal_compression", "pglz", kind="enum"),
        known("port", "5432"),
    ]
    assert waiting(files, servers) == {
        "work_mem": "77MB (waits for a reload)",
        "max_connections": "123 (waits for a restart)",
        "nonsense": '1 (unrecognized configuration parameter "nonsense")',
        "port": "(no longer in the files, still in force)",
    }


ROLE = {
    "rolsuper": False, "rolcanlogin": True, "rolcreaterole": False, "rolcreatedb": False, "rolreplication": False,
    "rolbypassrls": False, "rolinherit": True, "rolconnlimit": -1, "rolvaliduntil": None, "rolpassword": None,
    "member_of": [],
}  # fmt: skip


def test_roles_in_words() -> None:
    assert role(ROLE) == "login, inherit, no password"
    more = {**ROLE, "rolcreatedb": True, "rolpassword": "SCRAM-SHA-256$4096:c2FsdA==$x:y", "member_of": ["pg_monitor"]}
    assert role(more) == "login, createdb, inherit, SCRAM password, member of pg_monitor"
    assert "c2FsdA" not in role(more)


def test_databases_in_words_on_old_and_new_servers() -> None:
    row = {
        "owner": "noticeboard", "encoding": "UTF8", "collate": "C.UTF-8", "ctype": "C.UTF-8", "provider": None,
        "collation": None, "connections": -1, "allowed": True, "grants": None,
    }  # fmt: skip
    assert database(row) == "owner noticeboard, UTF8, collation C.UTF-8 of libc"
    assert database({**row, "provider": "i", "collation": "153.14"}).endswith("of ICU, collation version 153.14")


def test_rules_of_access_and_whether_they_are_read() -> None:
    row = {
        "type": "host", "database": ["all"], "users": ["all"], "address": "10.9.9.0", "netmask": "255.255.255.0",
        "method": "scram-sha-256", "options": None, "error": None,
    }  # fmt: skip
    found = rules([row, {**row, "error": "invalid"}], ["pg_hba.conf"])
    assert found["rules"] == ["host all all 10.9.9.0/255.255.255.0 scram-sha-256", "error: invalid"]
    assert "pg_hba.conf" in "".join(found)


def test_a_machine_without_the_database_says_so(tmp_path: Path) -> None:
    host = PaperHost(tmp_path, functions=["app", "web"])
    for collector in (schema, migrations):
        with pytest.raises(MissingError, match="another machine"):
            collector(host)


def test_a_database_that_is_gone_says_so(tmp_path: Path) -> None:
    host = PaperHost(tmp_path)
    with pytest.raises(MissingError, match="not installed"):
        rows(host, {"a": "SELECT 1"}, "noticeboard")


def test_the_schema_has_a_digest_of_all_of_it(tmp_path: Path) -> None:
    host = PaperHost(tmp_path)
    host.write("/usr/bin/psql", "")
    kinds = ("constraint", "trigger", "function", "type", "policy")
    empty = "".join(f'{{"{kind}": []}}\n' for kind in (*kinds, "tables", "schemas"))
    host.answers["psql"] = (
        '{"columns": [{"name": "board_notice.id", "text": "bigint not null"}]}\n{"index": []}\n' + empty
    )
    before = schema(host)
    host.answers["psql"] = host.answers["psql"].replace("bigint", "integer")
    after = schema(host)
    assert before["board_notice.id"] == "bigint not null"
    assert {key for key in after if after[key] != before[key]} == {"board_notice.id", "digest"}


def test_migrations_by_application(tmp_path: Path) -> None:
    host = PaperHost(tmp_path)
    host.write("/usr/bin/psql", "")
    host.answers["psql"] = '{"applied": [{"app": "auth", "name": "0001_initial"}, {"app": "auth", "name": "0002_x"}]}\n'
    assert migrations(host) == {"auth": ["0001_initial", "0002_x"]}


def test_what_redis_has_not_read() -> None:
    text = "maxmemory 100mb\ntimeout 0\nsave 900 1\nsave 60 1\nappendonly yes\nrequirepass x\ndir /a\n"
    server = {"maxmemory": "104857600", "timeout": "77", "save": "3600 1", "appendonly": "yes", "dir": "/b"}
    assert redis_waiting(text, server) == {"timeout": "0"}


#: As Redis 6, 7 and 8 print it
REDIS = (
    "# Server\r\nredis_version:7.0.15\r\nredis_build_id:abcdef\r\n",
    '1) 1) "name"\n   2) "search"\n   3) "ver"\n   4) (integer) 1\n   5) "args"\n   6) (empty array)\n',
    f'1) "user default on #{"a" * 64} ~* &* +@all"\n',
    """ 1) "timeout"
 2) "0"
 3) "requirepass"
 4) "plantedword"
 5) "slaveof"
 6) ""
 7) "proc-title-template"
 8) "{title} \\"x\\"\\n9) \\\\ \\xc3\\xa4"
""",
)


def redis_on_paper(folder: Path, *answers: str) -> PaperHost:
    host = PaperHost(folder)
    host.write("/etc/redis/redis.conf", "timeout 0\n")
    host.answers = {"redis-cli": '"next"\n'.join(answers or REDIS)}
    return host


def test_redis_tells_no_password(tmp_path: Path) -> None:
    host = redis_on_paper(tmp_path)
    host.write("/etc/samestack/redis-password", "plantedword\n", 0o600)
    section = redis(host)
    assert host.asked == [f"redis-cli --user samestack -s {tmp_path}/run/redis/redis-server.sock --no-raw"]
    assert (section["version"], section["timeout"], section["modules"]) == ("7.0.15", "0", ["search"])
    assert section["proc-title-template"] == '{title} "x"\n9) \\ ä'
    assert str(section["requirepass"]).startswith("hmac:")
    assert "slaveof" not in section
    assert "plantedword" not in str(section) + " ".join(host.asked)
    assert "a" * 64 not in str(section)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("(error) NOAUTH Authentication required.\n" * 7, r"redis-server\.sock: .*NOAUTH"),
        ("Could not connect to Redis at /run/redis: No such file\n", r"redis-server\.sock: Could not connect"),
    ],
)
def test_a_redis_that_does_not_answer_is_missing(tmp_path: Path, answer: str, why: str) -> None:
    with pytest.raises(MissingError, match=rf"does not answer on /run/redis/{why}"):
        redis(redis_on_paper(tmp_path, answer))


def test_a_redis_without_its_client_is_missing(tmp_path: Path) -> None:
    host = PaperHost(tmp_path)
    # Another service of its group may be there alone.
    with pytest.raises(MissingError, match="the application uses none"):
        redis(host)
    host.write("/etc/redis/redis.conf", "timeout 0\n")
    with pytest.raises(MissingError, match="redis-cli is not installed"):
        redis(host)
