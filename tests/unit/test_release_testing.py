"""Tests of releases: what counts as passed, what they find in their environment, and what people are told of them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import EncryptedString
from ansible.template import Templar, trust_as_template

from plugins.action.check_promotion import ActionModule as Promotion
from plugins.action.release_test import ActionModule
from plugins.filter.services import scratch_servers
from plugins.module_utils.release import testing
from plugins.module_utils.release.environment import of_build
from plugins.module_utils.release.fetching import CERTIFICATES
from plugins.module_utils.release.files import retention
from plugins.module_utils.release.place import Place
from plugins.module_utils.release.trial import Trial
from plugins.plugin_utils.release.answers import TESTED, checked
from plugins.plugin_utils.release.gates import untested
from plugins.plugin_utils.release.ledger_table import marks

if TYPE_CHECKING:
    from pathlib import Path

ID, VID, TESTS_VID = "0a1b2c3d4e5f", "a" * 12, "b" * 12
SHA, COMMANDS = "ab" * 32, ["pytest -q"]
PASSED = {"result": "ok", "commands": COMMANDS, "sha256": SHA, "seconds": 4.2}


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (PASSED, ""),
        ({}, "it was not tested"),
        ({**PASSED, "sha256": "other"}, "it was not tested"),
        ({**PASSED, "result": "skipped", "reason": "no time"}, "its tests were skipped (no time)"),
        ({**PASSED, "commands": ["true"]}, "it was not tested with app_test_commands as they are now"),
        ({**PASSED, "result": "failed"}, "its tests fail"),
    ],
)
def test_what_counts_as_passed(known: dict[str, Any], said: str) -> None:
    assert testing.why_not(known, COMMANDS, SHA) == said
    assert testing.why_not(known, [], SHA) == ""
    state = {"release": ID, "current": ID, "sha256": SHA, "tests": known}
    found = [str(gate) for gate in untested({"staging1": state}, COMMANDS)]
    assert found == ([f"staging1: release {ID} may not be promoted, {said}. Run them: `./samestack deploy staging`. "
                      'To promote it all the same, say why: `--skip-tests "…"`.'] if said else [])  # fmt: skip


def test_the_release_that_staging_serves_is_what_is_to_be_tested() -> None:
    """A branch may be further by now than what was accepted."""
    state = {"release": ID, "current": ID, "sha256": SHA, "build": {"commit": "c" * 40}}
    (gate,) = untested({"staging1": state}, COMMANDS)
    assert f"`./samestack deploy staging --ref {'c' * 40}`" in gate.mend
    (gate,) = untested({"staging1": state | {"build": {"commit": ""}}}, COMMANDS)
    assert "`./samestack deploy staging`" in gate.mend


def test_a_host_that_says_nothing_of_tests_has_not_passed_them() -> None:
    state = {"release": ID, "current": ID, "sha256": SHA}
    assert list(untested({"staging1": state}, COMMANDS))
    assert not list(untested({"staging1": state}, []))


@pytest.mark.parametrize(("result", "mark"), [("ok", ["(tests passed)"]), ("skipped", ["(tests skipped)"]), ("", [])])
def test_the_ledger_shows_them(result: str, mark: list[str]) -> None:
    line = {"verb": "deploy", "result": "ok", **testing.told({"result": result, "vid": VID} if result else {})}
    assert marks(line, {"lines": []}) == mark


def place(folder: Path) -> Place:
    found = Place(str(folder), ID)
    release = folder / "releases" / ID
    (release / "source").mkdir(parents=True)
    (release / "release.json").write_text('{"inputs": {}}')
    (release / "contents").write_text("")
    (release / "venv").symlink_to(f"../../venvs/{VID}")
    for vid in (VID, TESTS_VID):
        (folder / "venvs" / vid / "lib/python3.13/site-packages").mkdir(parents=True)
    return found


def test_a_record_is_of_the_bytes_and_kept_with_its_environment(tmp_path: Path) -> None:
    where = place(tmp_path)
    record = testing.record(where, COMMANDS, "ok", who="tests", vid=TESTS_VID)
    assert testing.keep(where, record)
    assert not testing.keep(where, record)
    assert not testing.keep(where, {})
    assert checked(TESTED, testing.recorded(where), "staging1")["sha256"] == testing.digest(where)
    # As long as the release stays, so does what its tests ran in.
    assert retention.remove(where, {ID}, retention.complete_releases(where)) == []
    (tmp_path / "releases" / ID / "tests.json").unlink()
    assert retention.remove(where, {ID}, retention.complete_releases(where)) == [f"venv-{TESTS_VID}"]


def trial(folder: Path, **params: Any) -> Trial:
    release = {
        "id": ID, "vid": VID, "inputs": {"python": "3.13"}, "environment": {"PAYMENT_KEY": True}, "python_path": [],
        "settings": "mysite.settings", "application": "mysite.wsgi:application", "interface": "wsgi",
        "server": "gunicorn", "tests": {"vid": TESTS_VID, "development": {"groups": ["dev"]}},
    }  # fmt: skip
    given = {
        "root": str(folder), "release": release, "uv_cache": str(folder / "uv"), "min_free": 0, "commands": COMMANDS,
        "servers": [], "environment": {}, "build_env": {}, "stand_ins": {"*_URL": "http://x"}, "overlay": True,
        "overlay_path": "/overlay", "run": {"who": "tests"},
    }  # fmt: skip
    return Trial({**given, **params})


def test_the_environment_of_tests(tmp_path: Path) -> None:
    place(tmp_path)
    given = {"DATABASE_URL": "postgresql://shop@/shop", "API_TOKEN": None, "HOOK_URL": None, "KEPT": None}
    values = trial(tmp_path, environment=given, build_env={"KEPT": "mine"}).values()
    assert values["DATABASE_URL"] == "postgresql://shop@/shop"
    assert (values["API_TOKEN"], values["HOOK_URL"], values["KEPT"]) == ("build", "http://x", "mine")
    assert values["PAYMENT_KEY"] == "build"
    # Programs of the tests' environment, modules of the release first.
    assert values["PATH"].split(":")[:2] == [f"{tmp_path}/venvs/{TESTS_VID}/bin", f"{tmp_path}/releases/{ID}/venv/bin"]
    assert values["PYTHONPATH"].split(":")[-1] == f"{tmp_path}/venvs/{VID}/lib/python3.13/site-packages"
    assert values["VIRTUAL_ENV"].endswith(TESTS_VID)
    assert values["HOME"] == "/run/build/home"


def test_a_node_from_npm_is_told_which_authorities_to_trust(tmp_path: Path) -> None:
    place(tmp_path)
    told = "NODE_EXTRA_CA_CERTS"
    assert trial(tmp_path).values()[told] == of_build(trial(tmp_path))[told] == CERTIFICATES
    assert of_build(trial(tmp_path, build_env={told: "/own.pem"}))[told] == "/own.pem"


def test_without_anything_to_test_with_they_run_as_it_serves(tmp_path: Path) -> None:
    place(tmp_path)
    found = trial(tmp_path)
    release = {**found.release, "tests": {"vid": VID, "development": {}}}
    values = trial(tmp_path, release=release).values()
    assert values["VIRTUAL_ENV"].endswith(f"{ID}/venv")
    assert "site-packages" not in values["PYTHONPATH"]


VARIABLES = {
    "app_name": "shop", "vault_token": "very-secret", "vault_redis_password": "also-secret",
    "vault_app_secret_key": "most-secret", "redis_over_tls": True, "database_is_local": False,
    "redis_url": "{{ 'rediss' if redis_over_tls else 'redis' }}://shop:{{ vault_redis_password }}@x/0",
    "service_environment": {"REDIS_URL": "{{ redis_url }}", "DATABASE_URL": "local {{ database_is_local }}"},
    "app_env": {"QUEUE": "{{ redis_url }}", "COLOUR": "blue", "PORT": 8000},
    "app_secret_env": {"TOKEN": "{{ vault_token }}", "AUTH": "Bearer {{ vault_token }}", "BROKER": "{{ redis_url }}"},
}  # fmt: skip
SERVERS = [
    {"name": "redis", "at": "/x", "start": "", "stop": "", "variables": {"redis_over_tls": False},
     "secrets": ["vault_redis_password"]},
    {"name": "postgresql", "at": "/y", "start": "", "stop": "", "variables": {"database_is_local": True},
     "secrets": ["vault_database_password"]},
]  # fmt: skip


def trusted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: trusted(one) for name, one in value.items()}
    return trust_as_template(value) if isinstance(value, str) else value


def environment_of(variables: dict[str, Any]) -> dict[str, str | None]:
    action = object.__new__(ActionModule)
    action._templar = Templar(loader=DataLoader(), variables=variables)
    return action._environment(SERVERS, variables)


def test_no_secret_gets_into_an_environment_of_tests() -> None:
    found = environment_of(trusted(VARIABLES))
    assert found == {
        "REDIS_URL": "redis://shop:scratch@x/0", "DATABASE_URL": "local True", "QUEUE": "redis://shop:scratch@x/0",
        "COLOUR": "blue", "PORT": "8000", "BROKER": "redis://shop:scratch@x/0", "TOKEN": None, "AUTH": None,
    }  # fmt: skip
    assert "secret" not in json.dumps(found)


@pytest.mark.parametrize(
    "secret",
    [
        "sk_live_very-secret",
        "{{ lookup('ansible.builtin.env', 'CI_TOKEN') }}",
        "{{ 'x' ~ query('env', 'CI_TOKEN')[0] }}",
    ],
)
def test_a_secret_that_is_in_no_vault_stays_away_too(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_TOKEN", "very-secret")
    variables = trusted({**VARIABLES, "app_secret_env": {"TOKEN": secret, "BROKER": "{{ redis_url }}"}})
    found = environment_of(variables)
    assert (found["TOKEN"], found["BROKER"]) == (None, "redis://shop:scratch@x/0")


def test_what_is_encrypted_where_it_stands_is_not_read() -> None:
    """Nobody has given a password here: reading it would fail."""
    encrypted = EncryptedString(ciphertext="$ANSIBLE_VAULT;1.1;AES256\n00\n")
    variables = trusted(VARIABLES) | {"pay_token": encrypted}
    variables["app_env"] = {**variables["app_env"], "HERE": encrypted, "THERE": trusted("{{ pay_token }}")}
    variables["app_secret_env"] = {"TOKEN": encrypted}
    found = environment_of(variables)
    assert (found["HERE"], found["THERE"], found["TOKEN"], found["COLOUR"]) == (None, None, None, "blue")


def test_servers_are_those_that_the_application_asks_for() -> None:
    scratch = {"start": "s", "variables": {"x_local": True}}
    services = {
        "redis": {"wanted": True, "scratch": scratch, "rotates": {"redis": ["vault_redis_password"]}},
        "memcached": {"wanted": False, "scratch": scratch},
        "nginx": {"wanted": True},
    }
    assert scratch_servers(services) == [
        {"name": "redis", "at": "/run/build/redis", "start": "s", "stop": "", "variables": {"x_local": True},
         "secrets": ["vault_redis_password"]}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("known", "skip", "kept"),
    [
        ({**PASSED, "vid": VID}, "", PASSED),
        ({**PASSED, "vid": VID}, "no need", PASSED),
        ({}, "no time", {"result": "skipped", "reason": "no time", "commands": COMMANDS, "sha256": SHA}),
    ],
)
def test_what_production_keeps_of_them(known: dict[str, Any], skip: str, kept: dict[str, Any]) -> None:
    action = object.__new__(Promotion)
    action._task = SimpleNamespace(args={"tests": COMMANDS, "skip_tests": skip})
    assert action._tests({"tests": known, "sha256": SHA}) == kept
