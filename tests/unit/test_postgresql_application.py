"""What would be changed in a server, and the verifier of a password. A real server sees it in the machine tests."""

from __future__ import annotations

import base64
import hmac

import pytest

from plugins.modules.postgresql_application import (
    PRIVILEGES,
    database_changes,
    password_matches,
    quote_literal,
    quote_name,
    role_changes,
    scram_verifier,
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
    assert quote_literal("o'clock") == "'o''clock'"
    assert quote_name('a"b') == '"a""b"'
