"""What would be changed in a server, and the verifier of a password. A real server sees it in the machine tests."""

from __future__ import annotations

import base64
import hmac

import pytest

from plugins.module_utils.common import postgresql
from plugins.module_utils.common.postgresql import identifier, literal
from plugins.module_utils.postgresql.ownership import (
    DEFAULTS,
    PRIVILEGES,
    Names,
    Wanted,
    hand_over,
    membership_changes,
    role_changes,
    settling,
)
from plugins.module_utils.release.database.restore_points import assignment
from plugins.modules.postgresql_application import password_changes, password_matches, scram_verifier, unexpected

PLAIN_ROLE = {"rolcanlogin": True, "rolpassword": None, **dict.fromkeys(PRIVILEGES, False)}
NAMES = Names("shop", "shop", "shop_owner")
SETTLED = {
    "former": 0, "objects": 0, "public": {"owner": "pg_database_owner", "open": False}, "defaults": DEFAULTS,
    "schemas": None, "relations": None, "records": None,
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


def test_a_password_that_is_replaced_is_taken_away() -> None:
    stored = {**PLAIN_ROLE, "rolpassword": scram_verifier("secret", b"salt")}
    (change,) = password_changes(stored, "shop_b", "")
    assert change == ("take the password of shop_b away", 'ALTER ROLE "shop_b" PASSWORD NULL;')


def test_the_second_role_is_in_the_first_and_logs_in_while_it_has_a_password() -> None:
    assert "shop_b" not in {role.name for role in NAMES.roles()}
    for login in (True, False):
        (second,) = [role for role in NAMES.roles(second=login) if role.name == "shop_b"]
        assert (second.login, second.groups, second.privileges) == (login, ("shop",), ())


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
    own = Names("shop", "shop", "shop")
    assert {role.name for role in own.roles()} == {"shop", "shop_writers", "shop_reader", "shop_copier", "samestack"}
    assert own.former == "shop_owner"


def test_nobody_stays_in_a_group_that_is_as_good_as_the_superuser() -> None:
    there = [
        ("shop", "shop_writers"), ("samestack", "pg_monitor"), ("shop_owner", "shop"), ("shop", "mallory"),
        ("shop", "pg_execute_server_program"), ("shop", "analysts"), ("shop_copier", "pg_read_all_data"),
    ]  # fmt: skip
    found = membership_changes(there, NAMES.roles(), ["mallory"], NAMES)
    assert [what for what, _ in found] == ["take shop out of mallory", "take shop out of pg_execute_server_program"]


def test_the_one_who_copies_reads_everything_and_changes_nothing() -> None:
    (copier,) = [role for role in NAMES.roles() if role.name == NAMES.copier]
    assert (copier.privileges, copier.groups) == (("rolbypassrls",), ("pg_read_all_data",))


def test_the_application_is_taken_out_of_the_owner_before_that_joins_it() -> None:
    found = membership_changes([("shop", "shop_owner")], NAMES.roles(), [], NAMES)
    assert found[0] == ("take shop out of shop_owner", 'REVOKE "shop_owner" FROM "shop";')
    assert ("put shop_owner into shop", 'GRANT "shop" TO "shop_owner";') in found[1:]


def test_a_settled_database_needs_nothing() -> None:
    assert settling(SETTLED, NAMES) == []


def test_rights_come_before_the_owner_changes() -> None:
    relations = [
        ["shop_writers", "public", 'a"b', "r"], ["shop_writers", "public", "django_migrations", "r"],
        ["shop_writers", "public", "s", "S"], ["shop_reader", "public", "s", "S"],
    ]  # fmt: skip
    found = settling({**SETTLED, "former": 3, "relations": relations}, NAMES)
    assert found[-1] == ("give what shop owns to shop_owner", 'REASSIGN OWNED BY "shop" TO "shop_owner";')
    granted = "".join(sql for _, sql in found[:-1])
    assert 'GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE "public"."a""b" TO "shop_writers";' in granted
    assert 'GRANT SELECT ON TABLE "public"."django_migrations" TO "shop_writers";' in granted
    assert 'GRANT USAGE, SELECT, UPDATE ON SEQUENCE "public"."s" TO "shop_writers";' in granted
    assert 'GRANT SELECT ON SEQUENCE "public"."s" TO "shop_reader";' in granted


def test_schema_public_is_closed_where_the_owner_may() -> None:
    found = settling({**SETTLED, "public": {"owner": "pg_database_owner", "open": True}}, NAMES)
    assert found == [("close schema public", "REVOKE CREATE ON SCHEMA public FROM PUBLIC;")]


def test_the_group_that_changes_rows_says_of_no_migration_that_it_has_run() -> None:
    ((what, sql),) = settling({**SETTLED, "records": ["public"]}, NAMES)
    assert what == "keep django_migrations from shop_writers"
    assert sql == 'REVOKE INSERT, UPDATE, DELETE ON "public"."django_migrations" FROM "shop_writers";'


def test_a_database_opens_when_it_has_its_owner() -> None:
    sql = hand_over("shop", "shop_owner")
    assert sql.startswith("BEGIN;")
    assert sql.index('OWNER TO "shop_owner"') < sql.index("CONNECTION LIMIT -1") < sql.index("COMMIT;")


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


def test_rights_that_nobody_gave_are_said() -> None:
    roles = {role.name: {**PLAIN_ROLE, "rolbypassrls": role.name == NAMES.owner} for role in NAMES.roles()}
    calm = {"roles": roles, "powerful": []}
    assert unexpected(calm, NAMES, tests=False) == []
    assert unexpected({"roles": {}, "powerful": []}, NAMES, tests=False) == []
    superuser = {**roles, "shop": {**PLAIN_ROLE, "rolsuper": True}}
    # The owner is a member of that role, and nothing is said of it.
    (said,) = unexpected({"roles": superuser, "powerful": ["shop", "shop_owner"]}, NAMES, tests=False)
    assert said.startswith("The role shop had more rights than it was given: superuser.")
    (said,) = unexpected({**calm, "powerful": ["shop"]}, NAMES, tests=False)
    assert "The role shop had more rights than it was given: in a group" in said
    (said,) = unexpected({**calm, "powerful": ["eve"]}, NAMES, tests=False)
    assert said.endswith("eve")
    tests = {"roles": {**roles, NAMES.owner: {**roles[NAMES.owner], "rolcreatedb": True}}, "powerful": []}
    assert unexpected(tests, NAMES, tests=False) == []
