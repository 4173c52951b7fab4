"""What would be changed in a server, and the verifier of a password. A real server sees it in the machine tests."""

from __future__ import annotations

import base64
import hmac

import pytest

from plugins.module_utils.common import postgresql
from plugins.module_utils.common.postgresql import identifier, literal
from plugins.module_utils.release.database.restore_points import assignment
from plugins.modules.postgresql_application import (
    PRIVILEGES,
    database_changes,
    password_matches,
    reader_changes,
    role_changes,
    scram_verifier,
    unexpected,
)

PLAIN_ROLE = {"rolcanlogin": True, "rolpassword": None, **dict.fromkeys(PRIVILEGES, False)}


def test_the_verifier_gives_the_server_signature_of_rfc_7677() -> None:
    nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    salt = "W22ZaJ0SNY7soEsUEjb6gQ=="
    message = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s={salt},i=4096,c=biws,r={nonce}"
    verifier = scram_verifier("pencil", base64.b64decode(salt))
    server_key = base64.b64decode(verifier.rsplit(":", 1)[1])
    signature = hmac.digest(server_key, message.encode(), "sha256")
    assert base64.b64encode(signature).decode() == "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_a_password_is_known_again_and_another_is_not() -> None:
    stored = scram_verifier("right", b"0123456789abcdef")
    assert password_matches("right", stored)
    assert not password_matches("wrong", stored)
    assert not password_matches("right", None)
    assert not password_matches("right", "md5abc")


def test_a_right_role_needs_nothing() -> None:
    assert role_changes(dict(PLAIN_ROLE), "shop", "") == []
    stored = {**PLAIN_ROLE, "rolpassword": scram_verifier("secret", b"salt")}
    assert role_changes(stored, "shop", "secret") == []


def test_a_missing_role_is_made_and_its_password_is_never_sent() -> None:
    changes = role_changes(None, "shop", "se'cret")
    assert [what for what, _ in changes] == ["create role shop", "set the password of shop"]
    assert not any("se'cret" in sql or "se''cret" in sql for _, sql in changes)


@pytest.mark.parametrize("privilege", PRIVILEGES)
def test_a_role_that_may_too_much_is_put_back(privilege: str) -> None:
    (change,) = role_changes({**PLAIN_ROLE, privilege: True}, "shop", "")
    assert change[0] == "alter role shop"


def test_databases() -> None:
    assert database_changes("shop", "shop", "shop") == []
    assert database_changes(None, "shop", "shop")[0][1].startswith('CREATE DATABASE "shop" OWNER "shop" ENCODING')
    assert database_changes("postgres", "shop", "shop")[0][1] == 'ALTER DATABASE "shop" OWNER TO "shop";'


def test_quotes() -> None:
    assert literal("o'clock") == "'o''clock'"
    assert literal("a\\'b") == "E'a\\\\''b'"
    assert identifier('a"b') == '"a""b"'


@pytest.mark.parametrize(
    ("setting", "sql"),
    [
        ("statement_timeout=5s", "\"statement_timeout\" TO '5s'"),
        ('search_path="$user", public, "a""b"', "\"search_path\" TO '$user', 'public', 'a\"b'"),
        ("shop.x TO 1; DROP DATABASE shop; --=y", '"shop"."x TO 1; DROP DATABASE shop; --" TO \'y\''),
    ],
)
def test_a_setting_of_a_database_stays_a_setting(setting: str, sql: str) -> None:
    assert assignment(setting) == sql


@pytest.mark.parametrize("database", ["shop", "shop_restoring", "template1", "Postgres"])
def test_the_superuser_is_in_no_database_of_the_application(database: str) -> None:
    assert postgresql.psql(port=5432)[-1] == "postgres"
    with pytest.raises(ValueError, match=database):
        postgresql.client("pg_dump", port=5432, database=database, role="postgres")


def test_the_reader_is_made_and_let_in_to_statistics() -> None:
    assert [what for what, _ in reader_changes(None)] == ["create role samestack", "let samestack read statistics"]
    assert reader_changes({**PLAIN_ROLE, "monitors": True}) == []


def test_rights_that_nobody_gave_are_said() -> None:
    reader = {**PLAIN_ROLE, "monitors": True}
    calm = {"role": dict(PLAIN_ROLE), "reader": reader, "superusers": []}
    assert unexpected(calm, "shop") == []
    assert unexpected({"role": None, "reader": None, "superusers": []}, "shop") == []
    (said,) = unexpected({**calm, "role": {**PLAIN_ROLE, "rolsuper": True}}, "shop")
    assert said.startswith("The role shop had more rights than it was given: superuser.")
    (said,) = unexpected({**calm, "superusers": ["eve"]}, "shop")
    assert said.endswith("eve")
