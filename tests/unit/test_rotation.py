"""Rotation: what is accepted and used after each step, wherever it was cut off; what is old, and what is lacking."""

from __future__ import annotations

import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from ansible.parsing.dataloader import DataLoader

from plugins.action.rotate_secrets import check_key, check_login, session_life
from plugins.plugin_utils.errors import SamestackError
from plugins.plugin_utils.secrets import dates, overview, rotation
from plugins.plugin_utils.secrets.authority import parse_authority
from plugins.plugin_utils.secrets.keys import LOGIN, new_values
from plugins.plugin_utils.secrets.secret_file import SecretFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ALL = [name for names in rotation.kinds().values() for name in names]
NEVER = datetime.timedelta()


def one(values: dict[str, Any], until: dict[str, Any], kinds: list[str], **options: Any) -> rotation.Step:
    """Take a step, and do to the file what it says."""
    step = rotation.next_step(rotation.Found(values, until), kinds, **options)
    values.update(step.changes)
    until.update(step.dates)
    for name in [name for name, value in values.items() if value is None]:
        del values[name]
    return step


@pytest.mark.parametrize("kind", ["app_key", "database", "redis", "ca"])
@pytest.mark.parametrize("cut_off", [0, 1, 2, 3])
def test_three_steps_wherever_it_is_cut_off(kind: str, cut_off: int) -> None:
    """Whatever is used was accepted everywhere before, and is accepted until nobody uses it any more."""
    first = new_values(ALL)
    values, until = dict(first), {}
    name = rotation.kinds()[kind][0]

    def accepted() -> set[Any]:
        return {values[key] for key in (name, f"{name}_next", f"{name}_previous") if key in values}

    remaining, applied, seen = [kind], False, [accepted()]
    for number in range(9):
        if number == cut_off:
            # Somebody else goes on with the file alone, and does not know what the machines have.
            remaining, applied = [kind], False
        before = accepted()
        step = one(values, until, remaining, applied=applied, accepted_for=NEVER)
        assert values[name] in before | {first[name]}
        if not step.apply:
            break
        applied, remaining = True, step.remaining
        seen.append(accepted())
    else:
        pytest.fail("it has no end")
    assert seen[0] == {first[name]}
    assert seen[-1] == {values[name]} != {first[name]}
    assert set(values) - {LOGIN} == set(first)
    for earlier, later in pairwise(seen):
        assert earlier & later
    assert all(values[other] == first[other] for other in set(ALL) - set(rotation.kinds()[kind]))
    parse_authority(values["vault_ca_certificate"], values["vault_ca_key"])


def test_a_value_is_used_when_all_machines_accept_it() -> None:
    values: dict[str, Any] = new_values(ALL)
    old = values["vault_redis_password"]
    step = one(values, {}, ["redis"], applied=False)
    assert (step.apply, step.remaining, values["vault_redis_password"]) == (True, ["redis"], old)
    # Cut off there: what the machines have is not known, so nothing goes on before they are asked.
    step = one(values, {}, ["redis"], applied=False)
    assert (step.apply, step.changes, values["vault_redis_password"]) == (True, {}, old)
    one(values, {}, ["redis"], applied=True)
    assert values["vault_redis_password"] != old == values["vault_redis_password_previous"]


def test_all_go_side_by_side_and_nobody_is_logged_out() -> None:
    values: dict[str, Any] = new_values(ALL)
    until: dict[str, Any] = {}
    all_kinds, fortnight = ["app_key", "database", "redis", "ca"], datetime.timedelta(days=14)
    one(values, until, all_kinds, applied=False)
    step = one(values, until, all_kinds, applied=True, accepted_for=fortnight)
    assert "vault_ca_key_previous" not in values
    step = one(values, until, step.remaining, applied=True)
    end = dates.today() + fortnight
    assert step.remaining == ["database", "redis", "ca"]
    assert f"until {end}" in " ".join(step.say)
    assert [name for name in values if name not in (*ALL, LOGIN)] == ["vault_app_secret_key_previous"]
    step = one(values, until, step.remaining, applied=True)
    assert (step.apply, step.remaining) == (False, [])
    until["vault_app_secret_key_previous"] = dates.today()
    one(values, until, ["app_key"], applied=False)
    one(values, until, ["app_key"], applied=True)
    assert set(values) == {*ALL, LOGIN}


def test_two_roles_take_turns() -> None:
    values: dict[str, Any] = new_values(ALL)
    for login in ("_b", None, "_b"):
        one(values, {}, ["database"], applied=False)
        one(values, {}, ["database"], applied=True)
        assert values.get(LOGIN) == login
        one(values, {}, ["database"], applied=True)
    assert lines({LOGIN: dates.today()}) == []
    assert overview.lasting(values) == set(ALL)


def test_finish_refuses_the_key_before_at_once() -> None:
    values: dict[str, Any] = new_values(ALL)
    until: dict[str, Any] = {}
    one(values, until, ["app_key"], applied=False, finish=True)
    one(values, until, ["app_key"], applied=True, finish=True, accepted_for=datetime.timedelta(days=14))
    one(values, until, ["app_key"], applied=True, finish=True)
    assert set(values) == set(ALL)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('{"django": [5, 2], "fallbacks": 0, "seconds": 1}', "does not take SECRET_KEY_FALLBACKS"),
        ('{"django": [4, 0], "fallbacks": 1, "seconds": 1}', "before 4.1"),
        ("", "did not say"),
        ("[]", "did not say"),
    ],
)
def test_no_new_key_is_used_where_it_would_log_people_out(said: str, words: str) -> None:
    with pytest.raises(SamestackError, match=words):
        session_life(said)


def test_how_long_what_was_signed_is_good() -> None:
    assert session_life('{"django": [4, 2], "fallbacks": 1, "seconds": 1209600}') == datetime.timedelta(days=14)


@pytest.mark.parametrize("value", ["4711,x", " 4711", "4711\n"])
def test_a_key_that_cannot_stand_in_a_list_is_named(value: str) -> None:
    with pytest.raises(SamestackError, match="vault_app_secret_key") as error:
        check_key(value, "staging")
    assert "4711" not in str(error.value)


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ('  DB_USER: "{{ database_user }}"', True),
        ('  DB_USER: "{{ database_login }}"', False),
        ('  # DB_USER: "{{ database_user }}"', False),
        ("database_user: shop", False),
    ],
)
def test_the_name_of_one_of_two_roles_is_no_login(tmp_path: Path, line: str, refused: bool) -> None:
    file = tmp_path / "inventories" / "group_vars" / "all" / "app.yml"
    file.parent.mkdir(parents=True)
    file.write_text(f"app_env:\n{line}\n", encoding="utf-8")
    secrets = SecretFile(DataLoader(), tmp_path / "inventories", "dev", local=True)
    if not refused:
        check_login(secrets)
        return
    with pytest.raises(SamestackError, match=r"inventories/group_vars/all/app\.yml:2 uses database_user") as error:
        check_login(secrets)
    assert "database_login" in error.value.hint


def lines(known: Mapping[str, datetime.date | None], **ages: int) -> list[str]:
    return list(overview.table("staging", known, ages, 365))


def test_what_is_older_than_declared_is_told_with_what_to_do() -> None:
    old, fresh = dates.today() - datetime.timedelta(days=100), dates.today()
    first, second, third = lines({"vault_redis_password": old, "vault_mail": old, "vault_x": None}, vault_mail=90)
    assert first.endswith("100 days")
    assert "older than 90: `./samestack secrets staging --edit`" in second
    assert "unknown age: `./samestack secrets staging --edit`" in third
    assert lines({"vault_redis_password": fresh}) == [f"vault_redis_password  {fresh}, 0 days"]
    assert "`./samestack rotate staging redis`" in lines({"vault_redis_password": old}, vault_redis_password=1)[0]
    assert "is under way" in lines({"vault_redis_password_next": fresh})[0]


def test_what_an_environment_lacks_is_known_without_its_password(tmp_path: Path) -> None:
    folder = tmp_path / "inventories"
    for name, names in (("staging", ["vault_a", "vault_b"]), ("production", ["vault_a", "vault_c", "vault_a_next"])):
        path = folder / "vault" / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("$ANSIBLE_VAULT;1.1;AES256\n", encoding="utf-8")
        dates.write(path, names, {})
    found = list(
        overview.differences("staging", ["vault_a", "vault_b"], overview.others(folder, "staging", local=False))
    )
    assert [text.split(".")[0] for text in found] == ["production lacks vault_b", "staging lacks vault_c"]
    (folder / "vault" / "production.dates.yml").unlink()
    (text,) = overview.differences("staging", ["vault_a"], overview.others(folder, "staging", local=False))
    assert "nobody wrote down" in text
    (folder / "vault" / "production.yml").unlink()
    assert not list(overview.differences("staging", ["vault_a"], overview.others(folder, "staging", local=False)))
