"""Secrets: which there must be, how new ones come about, who can read the file."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import pytest
from ansible.parsing.dataloader import DataLoader

from plugins.plugin_utils.files import write_whole
from plugins.plugin_utils.secrets import dates, keys
from plugins.plugin_utils.secrets.authority import parse_authority
from plugins.plugin_utils.secrets.keys import (
    invented_secrets,
    is_readable_by_others,
    local_secrets,
    missing_secrets,
    names_to_invent,
    needed_secrets,
    new_values,
    read_secrets,
    with_values,
)
from plugins.plugin_utils.secrets.vault import secret_problems

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "inventories"
    (path / "group_vars" / "all").mkdir(parents=True)
    (path / "group_vars" / "all" / "app.yml").write_text(
        '---\n# y: "{{ vault_in_a_comment }}"\ny: "{{ vault_mail_password }}"  # not vault_this\n', encoding="utf-8"
    )
    return path


def test_needed_are_the_projects_own_and_every_reference(folder: Path) -> None:
    needed = needed_secrets(folder)
    assert set(needed) == {*invented_secrets(), "vault_mail_password"}
    assert needed.items() >= {"vault_mail_password": "inventories/group_vars/all/app.yml:3"}.items()


def test_only_ones_own_are_invented() -> None:
    assert invented_secrets() >= {"vault_app_secret_key", "vault_database_password", "vault_ca_certificate"}
    assert "vault_mail_password" not in invented_secrets()


def test_local_secrets_are_made_once(folder: Path) -> None:
    first = local_secrets(folder, "dev")
    file = folder.parent / ".samestack" / "secrets" / "dev.yml"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert local_secrets(folder, "dev") == first
    assert local_secrets(folder, "staging") != first


def test_local_secrets_grow_and_keep_what_people_wrote(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = local_secrets(folder, "dev")
    file = folder.parent / ".samestack" / "secrets" / "dev.yml"
    file.write_text(file.read_text(encoding="utf-8") + "vault_mail_password: mine", encoding="utf-8")
    newer = folder.parent / "newer.yml"
    newer.write_text('---\nx: "{{ vault_new_key }}"\n', encoding="utf-8")
    before_it = keys.wiring_files()
    monkeypatch.setattr(keys, "wiring_files", lambda: [*before_it, newer])
    after = local_secrets(folder, "dev")
    assert after.items() > {**before, "vault_mail_password": "mine"}.items()
    assert after["vault_new_key"]


def test_what_the_application_alone_is_given_is_made_up_where_it_is_local(folder: Path) -> None:
    more = folder / "group_vars/all/app.yml"
    more.write_text(more.read_text() + 'app_secret_env: {A: "{{ vault_token }}", B: "x{{ vault_sentry_dsn }}"}\n')
    harmless = folder / "group_vars/dev/differences.yml"
    harmless.parent.mkdir()
    harmless.write_text("---\nvault_sentry_dsn: https://build@localhost/1\n")
    values = local_secrets(folder, "dev")
    assert len(values["vault_token"]) == 64
    # What stands there already counts, and what another service wants, somebody has to write down.
    assert not {"vault_sentry_dsn", "vault_mail_password"} & values.keys()
    problems = list(secret_problems(DataLoader(), folder, "dev", local=True))
    assert [one.variable for one in problems] == ["vault_mail_password"]
    assert {"vault_token", "vault_sentry_dsn"} <= local_secrets(folder, "staging").keys()


def test_new_values_are_long_and_all_different() -> None:
    values = new_values(f"vault_{number}" for number in range(50))
    assert len(set(values.values())) == 50
    assert {len(value) for value in values.values()} == {64}


def test_an_authority_is_a_certificate_and_its_key(folder: Path) -> None:
    values = local_secrets(folder, "dev")
    certificate, key = parse_authority(values["vault_ca_certificate"], values["vault_ca_key"])
    assert certificate.public_key() == key.public_key()
    assert local_secrets(folder, "dev") == values


def test_no_new_key_for_a_certificate_that_is_there() -> None:
    assert {"vault_ca_certificate", "vault_ca_key"} <= set(names_to_invent({}))
    assert "vault_ca_key" not in names_to_invent({"vault_ca_certificate": "x"})


def test_empty_is_missing() -> None:
    assert missing_secrets({"a": "", "b": None, "c": "x"}, ["c", "b", "a", "d"]) == ["a", "b", "d"]


@pytest.mark.parametrize("text", ["a: [hunter2", "- hunter2\n"])
def test_errors_do_not_show_the_text(text: str) -> None:
    with pytest.raises(ValueError, match="holds no") as error:
        read_secrets(text)
    assert "hunter2" not in repr(error.value)
    assert error.value.__cause__ is None


def test_private_files_are_never_half_written(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_whole(path, "one", 0o600)
    write_whole(path, b"two", 0o600)
    assert path.read_text(encoding="utf-8") == "two"
    assert not is_readable_by_others(path)
    assert [file.name for file in tmp_path.iterdir()] == ["x"]
    path.chmod(0o644)
    assert is_readable_by_others(path)


WRITTEN = """\
---
# mine
vault_a: old  # of mine

vault_b: |
  -----BEGIN-----
  x
  -----END-----
# about c
vault_c: "it's: #1"
vault_d:
"""


def test_values_change_and_what_people_wrote_stays() -> None:
    pem = "-----BEGIN-----\ny\n-----END-----\n"
    text = with_values(WRITTEN, {"vault_a": "new", "vault_b": pem, "vault_d": "$x\"y'`z\\ %n #", "vault_e": None})
    assert read_secrets(text) == {
        "vault_a": "new", "vault_b": pem, "vault_c": "it's: #1", "vault_d": "$x\"y'`z\\ %n #",
    }  # fmt: skip
    assert text.startswith('---\n# mine\n\n# about c\nvault_c: "it\'s: #1"\n')
    assert "vault_b: |\n  -----BEGIN" in text
    assert read_secrets(with_values(text, {"vault_b": None, "vault_c": None})).keys() == {"vault_a", "vault_d"}


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n", "{vault_a: x, vault_b: y}\n", "vault_b: y"])
@pytest.mark.parametrize(
    "value", ["1", "yes", " x", "x\ny", "x\n", "é 😀", "a: b", "!x", "2026-01-01", "\t", "x\n y\n"]
)
def test_any_value_comes_back_as_it_was(text: str, value: str) -> None:
    found = read_secrets(with_values(text, {"vault_a": value}))
    assert found.pop("vault_a") == value
    assert found in ({}, {"vault_b": "y"})


def test_values_that_are_passing_are_nobodys_need(folder: Path) -> None:
    file = folder / "group_vars" / "all" / "more.yml"
    file.write_text('z: "{{ vault_mail_password_next | default(vault_mail_password_previous) }}"\n', encoding="utf-8")
    assert set(needed_secrets(folder)) == {*invented_secrets(), "vault_mail_password"}


def test_dates_are_beside_the_secrets(folder: Path) -> None:
    local_secrets(folder, "dev")
    path = folder.parent / ".samestack" / "secrets" / "dev.yml"
    assert dates.read(path)["vault_app_secret_key"] == dates.today()
    dates.write(path, ["vault_x", "vault_app_secret_key"], {"vault_x": datetime.date(2026, 1, 2)})
    assert dates.read(path) == {"vault_app_secret_key": dates.today(), "vault_x": datetime.date(2026, 1, 2)}
    dates.write(path, ["vault_x", "vault_y"], {})
    assert dates.read(path) == {"vault_x": datetime.date(2026, 1, 2), "vault_y": None}


@pytest.mark.parametrize("text", ["[", "- x\n", "vault_x: soon\n", "vault_x: 2026-01-01 10:00:00\n"])
def test_dates_that_are_none_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "staging.dates.yml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"staging\.dates\.yml"):
        dates.read(tmp_path / "staging.yml")
