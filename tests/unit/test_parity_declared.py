"""What an inventory says of a host: computed, without a secret, in the form in which a manifest has it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from plugins.module_utils.manifest.reading.key import derived_key, keyed
from plugins.plugin_utils.parity.declared import (
    CHANGED,
    intended_environment,
    intended_files,
    tokens,
    topology,
    variables,
)
from plugins.plugin_utils.parity.rules import RULES, expanded, rule_for

KEY = derived_key("a secret of the environment")
ENVIRONMENT = {"django_env": {"DEBUG": False, "NAME": "x"}, "django_secret_env": {"SECRET_KEY": "very secret"}}


def test_no_secret_is_in_it() -> None:
    given = {"database_settings": {"work_mem": "8MB"}, "notices_urls": ["x"], "web_tls": {"password": "hunter2"}}
    found = variables([*given, "app_debug"], given, ["hunter2", ""])
    assert found == {"database_settings": {"work_mem": "8MB"}, "web_tls": "(secret)"}
    wanted = intended_environment(ENVIRONMENT, {"environment": {"SECRET_KEY": "hmac:1"}}, KEY)
    assert "very secret" not in json.dumps(wanted)


def test_the_environment_is_what_the_roles_write() -> None:
    found = {"environment": {"NAME": "hmac:2", "DEBUG": "true"}}
    wanted = intended_environment(ENVIRONMENT, found, KEY)
    assert wanted["environment/DEBUG"] == {"value": "False", "variable": "app_debug"}
    assert wanted["environment/SECRET_KEY"]["value"] == keyed(KEY, "very secret")
    # What the host does not show is told apart by its digest, too.
    assert wanted["environment/NAME"]["value"] == keyed(KEY, "x")
    assert intended_environment(ENVIRONMENT, {}, KEY) == {}


def entry(**other: Any) -> dict[str, Any]:
    data = base64.b64encode(b"content").decode()
    values = {"state": "file", "data": data, "mode": None, "owner": "root", "group": "root", "initial": False}
    return values | {"secret": False, "target": None} | other


SHA = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"  # of "content"


@pytest.mark.parametrize(
    ("given", "found", "wanted"),
    [
        (entry(), "sha256:00 root:root 0644", f"sha256:{SHA[:32]} root:root 0644"),
        (entry(), f"sha256:00 a:b 0644{CHANGED}", f"sha256:{SHA[:32]} root:root 0644{CHANGED}"),
        (entry(mode="0600", owner="x"), "hmac:00 root:root 0644", f"{keyed(KEY, SHA)} x:root 0600"),
        (entry(), "this machine's own hmac:0 a:b 0644", f"this machine's own {keyed(KEY, SHA)} root:root 0644"),
        (entry(state="link", target="/x"), "link to /y", "link to /x"),
        (entry(initial=True), "sha256:00 root:root 0644", None),
        (entry(state="directory", data=None), "no file", None),
    ],
)
def test_files_are_what_the_roles_write(given: dict[str, Any], found: str, wanted: str | None) -> None:
    intended = intended_files({"/etc/nginx/conf.d/a": given}, {"files": {"/etc/nginx/conf.d/a": found}}, KEY, {})
    assert intended.get("files//etc/nginx/conf.d/a", {}).get("value") == wanted


def test_units_of_ours_are_known_by_their_content() -> None:
    path = "/etc/systemd/system/a.service"
    wanted = intended_files({path: entry()}, {"files": {}, "units": {f"file:{path}": "sha256:0"}}, KEY, {})
    assert wanted == {f"units/file:{path}": {"value": f"sha256:{SHA[:32]}", "variable": "app_live_path topology"}}


def test_the_words_of_an_inventory() -> None:
    values = {"app_domains": ["www.site.test", "site.test"], "app_static_domain": ""}
    found = tokens(values, {"web1": {"machine_address": "10.0.0.1"}, "db1": {"machine_address": "10.0.0.2"}})
    assert {one["text"]: one["variable"] for one in found} == {
        "10.0.0.1": "machine_address", "10.0.0.2": "machine_address", "db1": "host name", "web1": "host name",
        "site.test": "app_domains", "www.site.test": "app_domains",
    }  # fmt: skip


def test_topology() -> None:
    assert topology(["b", "a"], {"web": ["a", "b", "c"], "db": ["a"]}) == {"a": ["db", "web"], "b": ["web"]}


def test_every_rule_is_of_a_section_and_can_be_reached() -> None:
    """A rule that an earlier one hides would never count."""
    for rule in RULES:
        section, _, key = rule.keys.partition("/")
        assert key, rule
        if "*" not in section:
            hiding = rule_for(section, key.replace("*", "some thing"))
            assert hiding == rule, (rule.keys, hiding)


def test_braces_stand_for_either() -> None:
    assert expanded("a/{b,c*}:{d,e}") == ["a/b:d", "a/b:e", "a/c*:d", "a/c*:e"]


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("packages/python3-certbot", "web_tls"),
        ("packages/linux-image-6.12", "virtualization"),
        ("postgresql/setting:work_mem", "memory"),
        ("postgresql/setting:max_connections", "topology"),
        ("postgresql/extension:citext", "release"),
        ("nginx/server[a 443]/location[/static/]/root", "app_live_path"),
        # Of what dev alone has, everything is its own.
        ("nginx/http/server[mail.a.test 443]/ssl_certificate", "app_live_path"),
        ("nginx/http/server_tokens", None),
        ("files//etc/sudoers", None),
        ("timers/cron:/etc/cron.d/x", None),
    ],
)
def test_rules_explain_what_they_name_and_nothing_beside(name: str, variable: str | None) -> None:
    rule = rule_for(*name.split("/", 1))
    assert (variable in rule.variables) if rule and variable else rule is None


def test_names_of_the_environment_make_no_file_another() -> None:
    found = {"files": {"/etc/a": "sha256:0 root:root 0644"}, "system": {"host name": "web1"}}
    texts = (b"server_name www.a.test; # web1 web10\n", b"server_name www.b.test; # web1 web10\n")
    values = {
        intended_files({"/etc/a": entry(data=base64.b64encode(text).decode())}, found, KEY, {name: "app_domains"})[
            "files//etc/a"
        ]["value"]
        for text, name in zip(texts, ("www.a.test", "www.b.test"), strict=True)
    }
    assert len(values) == 1
