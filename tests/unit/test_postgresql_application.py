"""What would be changed in a server, and the verifier of a password. A real server sees it in the machine tests."""

from __future__ import annotations

import base64
import hmac

import pytest

from plugins.module_utils.postgresql.ownership import (
    DEFAULTS,
    PRIVILEGES,
    Names,
    Wanted,
    membership_changes,
    role_changes,
    settling,
)
from plugins.module_utils.postgresql.server import identifier, literal
from plugins.modules.postgresql_application import password_changes, password_matches, scram_verifier

PLAIN_ROLE = {"rolcanlogin": True, "rolpassword": None, **dict.fromkeys(PRIVILEGES, False)}
NAMES = Names("shop", "shop", "shop_owner", "shop_rows", "shop_reader")
SETTLED = {
    "former": 0, "objects": 0, "public": {"owner": "pg_database_owner", "open": False}, "defaults": DEFAULTS,
    "schemas": None, "relations": None,
}  # fmt: skip


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
    assert role_changes(dict(PLAIN_ROLE), Wanted("shop")) == []
    stored = {**PLAIN_ROLE, "rolpassword": scram_verifier("secret", b"salt")}
    assert password_changes(stored, "shop", "secret") == []
    assert password_changes(dict(PLAIN_ROLE), "shop", "") == []


def test_a_missing_role_is_made_and_its_password_is_never_sent() -> None:
    changes = role_changes(None, Wanted("shop")) + password_changes(None, "shop", "se'cret")
    assert [what for what, _ in changes] == ["create role shop", "set the password of shop"]
    assert not any("se'cret" in sql or "se''cret" in sql for _, sql in changes)


@pytest.mark.parametrize("privilege", PRIVILEGES)
def test_a_role_that_may_too_much_is_put_back(privilege: str) -> None:
    (change,) = role_changes({**PLAIN_ROLE, privilege: True}, Wanted("shop"))
    assert change[0] == "alter role shop"


def test_the_owner_sees_all_rows_and_makes_databases_where_tests_run() -> None:
    (owner,) = [role for role in NAMES.roles() if role.name == "shop_owner"]
    assert (owner.privileges, owner.groups) == (("rolbypassrls",), ("shop",))
    (owner,) = [role for role in NAMES.roles(tests=True) if role.name == "shop_owner"]
    assert "rolcreatedb" in owner.privileges
    own = Names("shop", "shop", "shop", "shop_rows", "shop_reader")
    assert {role.name for role in own.roles()} == {"shop", "shop_rows", "shop_reader", "samestack"}
    assert own.former == "shop_owner"


def test_nobody_stays_in_a_group_that_is_as_good_as_the_superuser() -> None:
    there = [
        ("shop", "shop_rows"), ("samestack", "pg_monitor"), ("shop_owner", "shop"), ("shop", "mallory"),
        ("shop", "pg_execute_server_program"), ("shop", "analysts"),
    ]  # fmt: skip
    found = membership_changes(there, NAMES.roles(), ["mallory"], NAMES)
    assert [what for what, _ in found] == ["take shop out of mallory", "take shop out of pg_execute_server_program"]


def test_the_application_is_taken_out_of_the_owner_before_that_joins_it() -> None:
    found = membership_changes([("shop", "shop_owner")], NAMES.roles(), [], NAMES)
    assert found[0] == ("take shop out of shop_owner", 'REVOKE "shop_owner" FROM "shop";')
    assert ("put shop_owner into shop", 'GRANT "shop" TO "shop_owner";') in found[1:]


def test_a_settled_database_needs_nothing() -> None:
    assert settling(SETTLED, NAMES) == []


def test_rights_come_before_the_owner_changes() -> None:
    relations = [
        ["shop_rows", "public", 'a"b', "r"], ["shop_rows", "public", "django_migrations", "r"],
        ["shop_rows", "public", "s", "S"], ["shop_reader", "public", "s", "S"],
    ]  # fmt: skip
    found = settling({**SETTLED, "former": 3, "relations": relations}, NAMES)
    assert found[-1] == ("give what shop owns to shop_owner", 'REASSIGN OWNED BY "shop" TO "shop_owner";')
    granted = "".join(sql for _, sql in found[:-1])
    assert 'GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE "public"."a""b" TO "shop_rows";' in granted
    assert 'GRANT SELECT ON TABLE "public"."django_migrations" TO "shop_rows";' in granted
    assert 'GRANT USAGE, SELECT, UPDATE ON SEQUENCE "public"."s" TO "shop_rows";' in granted
    assert 'GRANT SELECT ON SEQUENCE "public"."s" TO "shop_reader";' in granted


def test_schema_public_is_closed_where_the_owner_may() -> None:
    found = settling({**SETTLED, "public": {"owner": "pg_database_owner", "open": True}}, NAMES)
    assert found == [("close schema public", "REVOKE CREATE ON SCHEMA public FROM PUBLIC;")]


def test_quotes() -> None:
    assert literal("o'clock") == "'o''clock'"
    assert identifier('a"b') == '"a""b"'
