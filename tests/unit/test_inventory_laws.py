"""Formats and laws, one by one, without Ansible."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from plugins.plugin_utils.inventory.files import FileError, Setting, read_mapping, read_settings
from plugins.plugin_utils.inventory.formats import FORMATS, parse_calendar, parse_duration, parse_port, parse_size
from plugins.plugin_utils.inventory.laws import (
    dotted,
    hiding_problems,
    nearest,
    set_twice,
    show,
    undeclared_differences,
    unknown_names,
    worked_out,
)
from plugins.plugin_utils.inventory.values import check_values

#: A public key, as far as anybody can tell by looking
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ5dGVzIGJ5dGVzIGJ5dGVzIGJ5dGVzIGJ5dGVz ada"
ROOT = Path(__file__).resolve().parents[2]
GOOD: dict[str, list[object]] = {
    "size": ["25m", "1g", "500M", 0, "1024", "2 GB"],
    "duration": ["30s", "365d", "2w", 0, "90"],
    "ping_url": ["https://hc-ping.com/0f/web1?create=1", "http://10.0.3.1:8000"],
    "port": [1, 65535, "443"],
    "batch": [1, "2", "25%", "100%"],
    "percent": [1, 90, "100"],
    "domain": ["example.com", "a.b.c.example", "xn--bcher-kva.example", "noticeboard.test", "x1.co"],
    "site_name": ["noticeboard.test", "*.noticeboard.test"],
    "address": ["203.0.113.7", "2001:db8::1"],
    "https_url": ["https://ca.example/dir", "https://10.0.3.1:14000/dir"],
    "app_name": ["a", "noticeboard", "my-site-2", "a" * 24],
    "calendar": [
        "hourly",
        "Daily",
        "*:0/15",
        "Mon..Fri 07:30",
        "Mon,Wed 2026-*-01 00:00:00",
        "*-*-* 04:00 Europe/Vienna",
        "Sun 03:00 UTC",
        "*-*~1",
        "2026-12-24",
    ],
    "date": ["2027-06-30", datetime.date(2027, 6, 30)],
    "clock": ["03:30", "23:59"],
    "rule": ["su", "ssh-idle"],
    "group": ["ssh-users", "adm", "_x1"],
    "network": ["203.0.113.7", "203.0.113.0/24", "2001:db8::/32"],
    "host": ["203.0.113.7", "db1", "db1.internal.example", "2001:db8::1"],
    "email": ["you@noticeboard.net"],
    "module": ["settings", "mysite.settings.production"],
    "entry_point": ["wsgi:application", "mysite.asgi:app"],
    "python": ["host", "3.9", "3.13", "3.13.2"],
    "download_url": ["https://mirror.example/a", "file:///srv/pythons"],
    "env_name": ["EMAIL_HOST", "_x1"],
    "unit_word": ["queue", "mail-out", "q2", "a_b"],
    "identifier": ["noticeboard", "_x", "a1"],
    "extension": ["pg_trgm", "uuid-ossp"],
    "url_path": ["/", "/health/", "/a/b.html"],
    "header": ["default-src 'self'; img-src 'self' data: https://a.example", "*"],
    "url_folder": ["/static/", "/a/b/"],
    "writable_folder": ["data", "var/logs", ".cache"],
    "inside": ["src", "src/mysite", "requirements/prod.txt"],
    "absolute_path": ["/srv/live"],
    "url": ["git@github.com:you/yours.git", "https://x.net/simple", "ssh://git@x.net:22/a", "/srv/git/a.git"],
    "ref": ["main", "v1.2", "feature/x", "0f3a9c"],
    "package": ["libpq-dev", "g++", "python3.13"],
    "login": ["ada", "deploy_1"],
    "public_key": [KEY],
    "timezone": ["Etc/UTC", "Europe/Vienna", "UTC", "America/Port-au-Prince", "Etc/GMT+5"],
    "locale": ["C.UTF-8", "de_AT.UTF-8"],
    "setting": ["work_mem", "pg_stat_statements.max"],
}
#: Names that the operating system or one of the packages has
SYSTEMS = ["root", "postgres", "redis", "www-data", "nobody", "sshd", "nginx", "systemd-network", "ssl", "lock", "sudo"]
BAD: dict[str, list[object]] = {
    "size": ["", "many", "1.5g", "-1", "25x", True],
    "duration": ["", "1y", "soon", "1.5h", "3b", True],
    "ping_url": ["", "hc-ping.com/0f", "ftp://hc-ping.com/", "https://a b/", "https://me:pw@hc-ping.com/"],
    "port": [0, 65536, "http", -1, True],
    "batch": [0, "0%", "101%", "all", -1, ""],
    "percent": [0, 101, "90%", "much", -1, 1.5, True],
    "domain": ["localhost", "https://a.b", "a.b:80", "a_b.com", "-a.com", "a..b", "*.a.com", "1.2.3.4", "A.com", ""],
    "site_name": ["*", "*.test", "a.*.test", "*noticeboard.test", "**.a.test", "localhost", ""],
    "address": ["", "ns.example", "203.0.113.0/24", "203.0.113"],
    "https_url": ["", "http://ca.example/dir", "https://ca.example", "https://a b/dir", "ca.example/dir"],
    "app_name": ["", "Site", "my_site", "1a", "a-", "a--b", "a b", "a" * 25, *SYSTEMS],
    "calendar": ["", "every day", "25:00", "*:60", "13-40", "hourly daily", "Funday", "*:0/0", "UTC"],
    "date": ["30.6.2027", "2027-02-30", "", "soon"],
    "clock": ["24:00", "3:30", 210, "03:30:00"],
    "rule": ["sudoo", ""],
    "group": ["Admins", "a b", "1a", "", "a\nb", "domain users"],
    "network": ["203.0.113.7/24", "here", "300.1.1.1"],
    "host": ["", "a b", "x_y", "https://a"],
    "email": ["you", "you@host", "a b@c.de"],
    "module": ["a/b.py", "a-b", "", ".a", "a."],
    "entry_point": ["mysite.wsgi", "a:b:c", "a.py:b!"],
    "python": ["", "3", "2.7", ">=3.12", "3.13.x", "3.13.2rc1", "pypy3.10", "Host"],
    "download_url": ["", "mirror.example/a", "/srv/pythons", "ssh://a/b", "https://a b"],
    "env_name": ["A-B", "1A", "", "A B"],
    "unit_word": ["Queue", "a b", "", "a@b", "-a"],
    "identifier": [
        "a-b",
        "1a",
        "A",
        "a" * 64,
        "postgres",
        "template1",
        "pg_monitor",
        "all",
        "public",
        "root",
        "nobody",
    ],
    "extension": ["a b", "1a"],
    "url_path": ["health", "/a b", "/a?b", "/a;", '/a"', "/$uri", "/{", "/\\"],
    "url_folder": ["/", "/static", "static/", "/a b/", "//a/", "/a;/", '/a"/', "/$uri/", "/{/"],
    "header": ["", 'a "b"', "a $b", "a\\b", "a\nb", "a\tb", "ä"],
    "writable_folder": ["/data", "..", "a/../b", "data/", "a b", ""],
    "inside": ["/abs", "../up", "a/../b", ""],
    "absolute_path": ["live", "/a b", "/a/"],
    "url": ["github.com/you", "yours", "-oProxyCommand=x"],
    "ref": ["-x", "a b", "a..b", "a~1", "a:b", ""],
    "package": ["A", "a b", "-y", "x;y"],
    "login": ["Ada", "1a", "a b", "a" * 33, "root", "www-data", "postgres"],
    "public_key": ["ssh-ed25519", "ssh-ed25519 AAAA", "ssh-dss AAAA x", KEY[1:], f"{KEY}\n{KEY}", ""],
    "timezone": ["Europe Vienna", "", "+2"],
    "locale": ["C", "en_US", "en_US.ISO-8859-1"],
    "setting": ["work mem", "1a", "a.b.c"],
}


def test_every_format_is_tested_both_ways() -> None:
    assert set(FORMATS) == set(GOOD) == set(BAD)


@pytest.mark.parametrize(("form", "value"), [(form, value) for form, values in GOOD.items() for value in values])
def test_good_values(form: str, value: object) -> None:
    FORMATS[form].parse(value)


@pytest.mark.parametrize(("form", "value"), [(form, value) for form, values in BAD.items() for value in values])
def test_bad_values(form: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"^(is|has|cannot) "):
        FORMATS[form].parse(value)


def test_units() -> None:
    assert (parse_size("25m"), parse_size("1g"), parse_size(7)) == (26214400, 1073741824, 7)
    assert (parse_duration("30s"), parse_duration("365d"), parse_duration("2w")) == (30, 31536000, 1209600)
    assert parse_port("443") == 443
    assert parse_calendar("*:0/15") == "*:0/15"


def setting(name: str, value: Any = 1, kind: str = "all", owner: str = "all", file: str = "all/app.yml") -> Setting:
    return Setting(name, value, file, 3, kind, owner)


def test_unknown_names_only_in_our_namespaces() -> None:
    known, prefixes = {"app_name", "web_hsts"}, {"app_", "web_"}
    found = list(unknown_names([setting("app_nme"), setting("mine"), setting("vault_x")], known, prefixes))
    assert [problem.variable for problem in found] == ["app_nme"]
    assert "Write app_name" in str(found[0])


def test_a_helper_of_ones_own_is_no_typo_where_something_reads_it() -> None:
    known, prefixes = {"web_processes"}, {"app_", "web_"}
    helper, reader = setting("wev_processes"), setting("web_processes", "{{ wev_processes }}")
    assert [problem.variable for problem in unknown_names([helper], known, prefixes)] == ["wev_processes"]
    assert list(unknown_names([helper, reader], known, prefixes)) == []


def test_differences_must_be_declared() -> None:
    settings = [
        setting("app_debug", kind="group", owner="dev"),
        setting("app_name", kind="group", owner="dev", file="dev.yml"),
        setting("ansible_user", kind="host", owner="x"),
        setting("vault_x", kind="group", owner="dev"),
        setting("app_name"),
    ]
    (problem,) = undeclared_differences(settings, {"app_debug"}, "differences.yml", "all/app.yml")
    assert str(problem) == (
        "app_name = 1 (in dev.yml:3): this must be the same in every environment. "
        "Set it in all/app.yml, or declare it as a difference in differences.yml."
    )


def test_a_decision_stands_in_one_place() -> None:
    (problem,) = set_twice([setting("a"), setting("a", file="all/web.yml"), setting("a", kind="group", owner="dev")])
    assert problem.place == "all/web.yml:3"


def test_a_default_may_be_decided_and_the_wiring_may_not() -> None:
    own = [
        setting("a", kind="default", file="defaults/app.yml"),
        setting("nginx_b", kind="wiring", file="wiring/x.yml"),
    ]
    own.append(setting("nginx_c", kind="wiring", file="wiring/x.yml"))
    mine = [setting("a"), setting("nginx_b"), setting("nginx_c")]
    assert list(set_twice([*own, *mine])) == []
    (problem,) = worked_out([*own, *mine])
    assert str(problem) == (
        "nginx_b = 1 (in all/app.yml:3): wiring/x.yml:3 works it out from the decisions, and 1 more of this file. "
        "Take them out, or delete the file where nothing else is in it."
    )


def test_a_difference_that_is_none_names_the_users_file() -> None:
    own = [
        setting("a", kind="default", file="defaults/app.yml"),
        setting("nginx_b", kind="wiring", file="wiring/x.yml"),
    ]
    mine = [setting(name, kind="group", owner="dev", file="dev.yml") for name in ("a", "nginx_b")]
    decided, wired = map(str, undeclared_differences([*own, *mine], {"c"}, "differences.yml", "all/app.yml"))
    assert decided.endswith("Set it in all/app.yml, or declare it as a difference in differences.yml.")
    assert wired.endswith("Take the line out: wiring/x.yml works it out from the decisions.")


def test_words() -> None:
    assert nearest("app_nme", {"app_name", "web_hsts"}) == "app_name"
    assert nearest("zzzzzz", {"app_name"}) is None
    assert dotted("app_workers", ("queue", "command", 0)) == "app_workers.queue.command[0]"
    assert show("x", "a\nb") == "a b"
    assert show("x", "") == '""'
    assert show("vault_x", "s") == show("my_password", "s") == "(hidden)"
    assert len(show("x", "y" * 200)) == 72


def test_what_waits_for_a_secret_is_not_judged() -> None:
    specs = {"x": {"type": "str", "description": ["d", "Format: size"]}}
    assert not list(check_values({"x": "{{ vault_x }}"}, specs, lambda *_: "f:1", lambda _: "f", Path()))


def said_of(values: dict[str, Any]) -> list[str]:
    spec = yaml.safe_load((ROOT / "roles/preflight/meta/argument_specs.yml").read_text(encoding="utf-8"))
    options = spec["argument_specs"]["decisions"]["options"]
    found = check_values(values, {name: options[name] for name in values}, lambda *_: "app.yml:3", lambda _: "", Path())
    return [str(one) for one in found]


@pytest.mark.parametrize("break_", ["\n", "\r", "\0", "\x1b[2J", "\u2028", "\x7f"])
def test_a_line_of_a_unit_stays_one(break_: str) -> None:
    values: dict[str, Any] = {
        "app_workers": {"queue": {"command": f"run{break_}User=root"}},
        "app_timers": {"tidy": {"command": "x", "schedule": f"hourly{break_}"}},
        "app_env": {f"A{break_}B": "1", "GOOD": "1"},
        "app_directory": f"src{break_}",
        "database_settings": {"work_mem": f"1{break_}ssl=off"},
    }
    names = [
        "app_workers.queue.command",
        "app_timers.tidy.schedule",
        "app_env = A",
        "app_directory",
        "database_settings",
    ]
    found = said_of(values)
    assert len(found) == len(names)
    for name, text in zip(names, found, strict=True):
        assert text.startswith(name)
        assert "(in app.yml:3)" in text
        assert break_ not in text


def test_what_may_have_several_lines() -> None:
    assert not said_of({"app_env": {"KEY": "-----BEGIN-----\nx\n"}, "app_release_commands": ["cd x\n./y\n"]})
    assert len(said_of({"app_env": {"KEY": "\x1b[2J"}, "app_build_commands": ["make\0"]})) == 2


def test_lines_of_nested_values(tmp_path: Path) -> None:
    folder = tmp_path / "inventories" / "group_vars" / "all"
    folder.mkdir(parents=True)
    (folder / "app.yml").write_text(
        "---\na: 1\n\nb:\n  c:\n    - x\n    - d: !vault |\n        secret\n", encoding="utf-8"
    )
    settings, errors = read_settings(tmp_path / "inventories", tmp_path)
    assert not errors
    b = next(found for found in settings if found.name == "b")
    assert b.place() == "inventories/group_vars/all/app.yml:4"
    assert b.place(("c",)).endswith(":5")
    assert b.place(("c", 0)).endswith(":6")
    assert b.place(("c", 1, "d")).endswith(":7")
    assert b.place(("c", 9)).endswith(":5")


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [("a: [1\n", 1, "no YAML"), ("- a\n", 1, "no variables"), ("a: 1\nb: 2\na: 3\n", 3, "line 1")],
)
def test_broken_files(tmp_path: Path, text: str, line: int, what: str) -> None:
    path = tmp_path / "x.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileError, match=what) as error:
        read_mapping(path, "x.yml")
    assert error.value.place == f"x.yml:{line}"


def test_encrypted_and_empty_files_hold_nothing(tmp_path: Path) -> None:
    for text in ("$ANSIBLE_VAULT;1.1;AES256\n61\n", "---\n", ""):
        (tmp_path / "x.yml").write_text(text, encoding="utf-8")
        assert read_mapping(tmp_path / "x.yml", "x.yml") == ({}, {})


@pytest.mark.parametrize("bad", [":", "\\", "\n", "\x1b"])
@pytest.mark.parametrize("part", ["path", "live_checkout"])
def test_secrets_that_no_unit_can_hide_are_told_before_anything_is_touched(bad: str, part: str) -> None:
    """The line would name another folder, or end before."""
    kind = "path" if part == "path" else "git"
    values = {"app_live_path": "/srv/live", "app_source": {"type": kind, part: ".."}}
    (problem,) = map(str, hiding_problems(values, f"my{bad}site/.samestack", lambda _name, path: f"app.yml: {path[0]}"))
    assert problem.startswith(f"app_source.{part} = .. (in app.yml: {part}): the application must not see")
    assert "Rename that folder" in problem
    assert problem.isprintable()
    for live, inside in (("", f"a{bad}"), ("/srv/live", 'my 5% "sité"/.samestack'), ("/srv/live", "")):
        assert not list(hiding_problems(values | {"app_live_path": live}, inside, lambda *_path: ""))
