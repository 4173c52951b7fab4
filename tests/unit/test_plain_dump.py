"""A dump in plain SQL: what is about roles goes, what psql would run is refused, and all else stays as it is."""

from __future__ import annotations

import textwrap

import pytest

from plugins.module_utils.common.errors import HostError
from plugins.module_utils.copies.plain_dump import Lexer


def read(text: str) -> str:
    return "".join(Lexer().read(textwrap.dedent(text).splitlines(keepends=True)))


KEPT = [
    "CREATE TABLE a (b text DEFAULT 'x; GRANT ALL'); INSERT INTO a VALUES ('it''s; \\! rm');\n",
    "INSERT INTO a VALUES (E'a\\'b; \\\\', 'c');\nSELECT 1;\n",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ GRANT x; \\! y\n $$;\n",
    "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $body$ $$ ; \\! $$ $body$;\n",
    "COPY a FROM stdin;\n\\N\tGRANT x;\n\\\\! y\n\\.\nSELECT 1;\n",
    "SELECT a$b$c FROM x; SELECT 'a' /* \\! /* ; */ ' */ ;\n",
    "INSERT INTO a VALUES ('two\nlines; \\!');\n",
    'CREATE TABLE "a;\\!" (x int);\n',
    "-- \\! a comment; GRANT\nSELECT 1;\n",
    "SET standard_conforming_strings = on;\nSET client_encoding = 'UTF8';\n",
    "CREATE TABLE grants (owner text); DROP TABLE grants;\n",
    "SELECT 1",
]


@pytest.mark.parametrize("text", KEPT)
def test_what_is_data_or_the_applications_stays_as_it_is(text: str) -> None:
    assert read(text) == text


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE public.a OWNER TO bob;", "GRANT SELECT ON TABLE a TO bob;", "REVOKE ALL ON a FROM bob;",
        "CREATE ROLE bob;", "CREATE DATABASE shop WITH TEMPLATE = template0;", "SET SESSION AUTHORIZATION 'bob';",
        "SET ROLE bob;", "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO x;", "SET transaction_timeout = 0;",
        "COMMENT ON EXTENSION pgcrypto IS 'x;y';", "CREATE SCHEMA public;", "SET default_tablespace = '';",
        "CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION f();", "alter  function f()\n owner  to bob;",
        "\\connect shop", "\\restrict aB3", "\\unrestrict aB3", "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p;",
        "-- Name: a\n\nALTER SEQUENCE a_seq OWNER TO bob;", "DROP TABLE public.a;",
        "ALTER TABLE ONLY public.a DROP CONSTRAINT a_pkey;",
    ],
)  # fmt: skip
def test_what_is_about_roles_or_another_server_goes(statement: str) -> None:
    assert read(f"SELECT 0;\n{statement}\nCREATE TABLE a (x int);\n").split("\n")[-2] == "CREATE TABLE a (x int);"
    left = read(f"SELECT 0;\n{statement}\nCREATE TABLE a (x int);\n")
    assert "bob" not in left
    assert left.count("\n") == 3 + statement.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        "\\! id\n", "SELECT 1 \\! id\n", "SELECT 1; \\o /tmp/x\n", "SELECT 1 \\g |id\n", "/* */ \\i /etc/passwd\n",
        "COPY a FROM stdin;\n\\.\n\\! id\n", "SELECT 'a' 'b' \\! id\n", "SELECT $a$ x $a$ \\copy a from program 'id'\n",
        "COPY a TO STDOUT; \\! id\n", "SELECT \"x\" \\! id\n", "-- c\n\\setenv A b\n",
        "CREATE TABLE a (x int);\n\\! id\n", "SELECT 'it''s' \\! id\n", "SELECT E'it\\'s' \\! id\n",
        "/* COPY a FROM stdin; */ SELECT 1;\n\\! id\n",
    ],
)  # fmt: skip
def test_a_command_of_psqls_is_refused_wherever_it_stands(text: str) -> None:
    with pytest.raises(HostError, match=r"Line \d"):
        read(text)


def test_two_ways_to_read_a_text_and_several_databases_are_refused() -> None:
    with pytest.raises(HostError, match="two ways"):
        read("SET standard_conforming_strings = off;\n")
    with pytest.raises(HostError, match="two ways"):
        read("SET client_encoding = 'SJIS';\n")
    with pytest.raises(HostError, match="several databases"):
        read("\\connect a\nSELECT 1;\n\\connect b\n")
    assert read("\\connect template1\n\\connect shop\nSELECT 1;\n").strip() == "SELECT 1;"
