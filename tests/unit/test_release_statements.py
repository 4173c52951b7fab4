"""Which statements of a migration disturb code that is running: PostgreSQL's parser with what a host knows."""

from __future__ import annotations

import tomllib

# What is installed, by its package's own record
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from pglast.parser import parse_sql_json

from plugins.module_utils.release.database.statements import Facts, Verdict, judge
from plugins.module_utils.standalone.read_sql import read
from plugins.plugin_utils.connection.supported import SUPPORTED

REPO = Path(__file__).resolve().parents[2]
#: /usr/bin/python3 of the releases that are supported: jammy, bookworm, noble, trixie, resolute and forky
PYTHONS = {"22.04": "3.10", "12": "3.11", "24.04": "3.12", "13": "3.13", "26.04": "3.14", "14": "3.14"}
FACTS = Facts(
    tables={"notice": ["id", "title", "count", "read_by", "price"], "category": ["id", "name"], "crm.mail": ["id"]},
    types={
        "notice.title": "character varying(50)", "notice.count": "integer", "notice.read_by": "text",
        "notice.price": "numeric(8,2)",
    },
    rows={"notice": 250_000, "category": 12},
    many=10_000,
    filled={"notice.count"},
    defaults={"notice.filled_by_default"},
)  # fmt: skip


def verdict(*statements: str) -> Verdict:
    return judge([one for text in statements for one in read(parse_sql_json, text)], FACTS)


def found(*statements: str) -> tuple[list[str], list[str]]:
    told = verdict(*statements)
    return told.breaking, told.slow


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ('ALTER TABLE "notice" DROP COLUMN "read_by" CASCADE;', "drops the column notice.read_by"),
        ("alter table notice drop column read_by", "drops the column notice.read_by"),
        ('ALTER TABLE "public"."notice" DROP COLUMN "read_by"', "drops the column notice.read_by"),
        ('DROP TABLE "category" CASCADE;', "drops the table category"),
        ('ALTER TABLE "category" RENAME TO "heading";', "renames the table category"),
        ('ALTER TABLE "notice" RENAME COLUMN "title" TO "name";', "renames the column notice.title"),
        (
            'ALTER TABLE "notice" ALTER COLUMN "title" TYPE integer USING "title"::integer;',
            "changes the type of notice.title",
        ),
        (
            'ALTER TABLE "notice" ALTER COLUMN "title" TYPE varchar(20) USING "title"::varchar(20);',
            "changes the type of notice.title",
        ),
        (
            'ALTER TABLE "notice" ADD COLUMN "place" varchar(9) NOT NULL;',
            "notice.place must not be empty, and the database has no default for it",
        ),
        # The same in the other spellings that PostgreSQL takes
        ("ALTER TABLE notice DROP title", "drops the column notice.title"),
        ("alter table if exists only notice drop if exists title cascade", "drops the column notice.title"),
        ("ALTER TABLE notice RENAME title TO name", "renames the column notice.title"),
        ("/* a */ ALTER /* b */ TABLE notice -- c\n DROP\n title", "drops the column notice.title"),
        ("ALTER TABLE notice ADD x integer, DROP title", "drops the column notice.title"),
        ("DROP TABLE new_one, category", "drops the table category"),
        ("SELECT 1; DROP TABLE category", "drops the table category"),
        ("ALTER TABLE category SET SCHEMA archive", "moves the table category to schema archive"),
        ("DROP SCHEMA crm CASCADE", "drops the schema crm with crm.mail"),
        ("ALTER SCHEMA crm RENAME TO old", "renames the schema crm with crm.mail"),
        ("DROP SCHEMA public CASCADE", "drops the schema public with category, notice"),
        ("DROP TABLE crm.mail", "drops the table crm.mail"),
        ("DROP VIEW category", "drops the view category"),
        ("DROP MATERIALIZED VIEW IF EXISTS category", "drops the materialized view category"),
        ("TRUNCATE other, category RESTART IDENTITY", "deletes all rows of category"),
        ("DELETE FROM category", "deletes all rows of category"),
        ("WITH gone AS (DELETE FROM category RETURNING *) INSERT INTO other SELECT * FROM gone",
         "deletes all rows of category"),
        ("DROP OWNED BY somebody", "drops whatever a role owns"),
        ("ALTER TABLE category DETACH PARTITION old", "takes the rows of old out of category"),
        ("ALTER TABLE notice ALTER title TYPE integer USING 1", "changes the type of notice.title"),
        ("ALTER TABLE notice ALTER price TYPE numeric(8,3)", "changes the type of notice.price"),
        ("ALTER TABLE category ADD x int NOT NULL",
         "category.x must not be empty, and the database has no default for it"),
        ("ALTER TABLE category ADD x int PRIMARY KEY",
         "category.x must not be empty, and the database has no default for it"),
        ("ALTER TABLE category ADD x int NOT NULL DEFAULT NULL",
         "category.x must not be empty, and the database has no default for it"),
        ("ALTER TABLE category ADD CONSTRAINT c CHECK (name IS NOT NULL) NOT VALID",
         "category.name must not be empty, and the database has no default for it"),
        ("ALTER TABLE category ALTER name SET NOT NULL",
         "category.name must not be empty, and the database has no default for it"),
    ],
)  # fmt: skip
def test_what_running_code_cannot_live_with(statement: str, why: str) -> None:
    assert found("BEGIN;", "--\n-- A comment\n--", statement, "COMMIT;") == ([why], [])


def test_a_default_that_goes_again_is_none() -> None:
    added = 'ALTER TABLE "notice" ADD COLUMN "place" varchar(9) DEFAULT \'\' NOT NULL;'
    assert found(added) == ([], [])
    assert found(added, 'ALTER TABLE "notice" ALTER COLUMN "place" DROP DEFAULT;')[0]


def test_the_default_of_a_column_that_must_be_filled_is_needed() -> None:
    drop = 'ALTER TABLE "notice" ALTER COLUMN "{}" DROP DEFAULT;'
    assert found(drop.format("count"))[0] == ["takes the default of notice.count away"]
    assert found(drop.format("read_by")) == ([], [])
    assert found(drop.format("count"), 'ALTER TABLE "notice" ALTER COLUMN "count" DROP NOT NULL;') == ([], [])


def test_a_column_that_the_code_does_not_know_must_not_need_filling() -> None:
    assert found('ALTER TABLE "notice" ALTER COLUMN "unknown" SET NOT NULL;')[0]
    assert not found('ALTER TABLE "notice" ALTER COLUMN "filled_by_default" SET NOT NULL;')[0]


def test_a_column_that_the_code_knows_is_written_by_it_whatever_its_default() -> None:
    # It writes NULL where the model allows that.
    alter = 'ALTER TABLE "notice" ALTER COLUMN "read_by" {};'
    wrong = ["notice.read_by must not be empty, and the database has no default for it"]
    assert found(alter.format("SET NOT NULL"))[0] == wrong
    assert found(alter.format("SET DEFAULT 'x'"), alter.format("SET NOT NULL"))[0] == []


def test_a_default_of_one_column_says_nothing_about_another() -> None:
    breaking, _slow = found(
        'ALTER TABLE "notice" ADD COLUMN "a" integer NOT NULL;',
        'ALTER TABLE "notice" ADD COLUMN "b" integer DEFAULT 0 NOT NULL;',
    )
    assert breaking == ["notice.a must not be empty, and the database has no default for it"]


@pytest.mark.parametrize(
    "statement",
    [
        'ALTER TABLE "notice" DROP COLUMN "gone_from_the_models_before" CASCADE;',
        'DROP TABLE "of_an_app_that_is_gone" CASCADE;',
        'ALTER TABLE "new_in_this_release" ADD COLUMN "a" integer NOT NULL;',
        'CREATE TABLE "new" ("id" bigint NOT NULL PRIMARY KEY);',
        'ALTER TABLE "notice" ADD COLUMN "a" integer NULL;',
        'ALTER TABLE "notice" ADD COLUMN "a" integer DEFAULT 0 NOT NULL;',
        'ALTER TABLE "notice" ALTER COLUMN "read_by" DROP NOT NULL;',
        'ALTER TABLE "notice" ALTER COLUMN "title" TYPE varchar(80) USING "title"::varchar(80);',
        'ALTER TABLE "notice" ALTER COLUMN "title" TYPE text USING "title"::text;',
        'CREATE INDEX CONCURRENTLY "i" ON "notice" ("title");',
        'CREATE INDEX "i" ON "category" ("name");',
        'ALTER TABLE "category" ADD CONSTRAINT "u" UNIQUE ("name");',
        'ALTER TABLE "notice" ADD CONSTRAINT "c" CHECK ("count" > 0) NOT VALID;',
        'ALTER TABLE "category" ADD COLUMN "n" integer GENERATED BY DEFAULT AS IDENTITY NOT NULL;',
        "-- THIS OPERATION CANNOT BE WRITTEN AS SQL",
        "DROP TABLE other, another",
        "DROP TABLE archive.notice",
        "ALTER TABLE archive.notice DROP title",
        "DROP SCHEMA archive CASCADE",
        "TRUNCATE other",
        "DELETE FROM notice WHERE count > 3",
        "ALTER TABLE notice ALTER price TYPE numeric(10,2)",
        "ALTER TABLE notice ALTER price TYPE numeric",
        "ALTER TABLE notice ALTER title TYPE varchar",
        "ALTER TABLE notice ADD x int DEFAULT 3 NOT NULL, ADD y text",
        "ALTER TABLE notice ADD x bigint NULL CONSTRAINT f REFERENCES category (id)",
        "ALTER TABLE notice DROP CONSTRAINT c",
        "ALTER TABLE notice ADD CONSTRAINT u UNIQUE USING INDEX i",
        "ALTER TABLE notice VALIDATE CONSTRAINT c",
        "ALTER TYPE mood ADD VALUE 'x'",
        "CREATE VIEW v AS SELECT * FROM notice",
        "SELECT setval(pg_get_serial_sequence('notice', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM notice",
        "INSERT INTO category (name) VALUES ('DROP TABLE category')",
        "COMMENT ON TABLE notice IS 'DROP TABLE notice;'",
        "SET CONSTRAINTS ALL IMMEDIATE",
    ],
)
def test_what_nobody_notices(statement: str) -> None:
    assert found(statement) == ([], [])


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ('CREATE INDEX "i" ON "notice" ("title");', "builds an index on notice without CONCURRENTLY"),
        ("create index i on notice(title)", "builds an index on notice without CONCURRENTLY"),
        ('ALTER TABLE "notice" ADD CONSTRAINT "u" UNIQUE ("title");', "builds a unique constraint on notice"),
        ('ALTER TABLE "notice" ADD CONSTRAINT "c" CHECK ("count" > 0);', "checks every row of notice for a constraint"),
        ('ALTER TABLE "notice" ALTER COLUMN "count" TYPE bigint USING "count"::bigint;', "writes notice anew"),
        ('ALTER TABLE "notice" ADD COLUMN "u" uuid DEFAULT gen_random_uuid() NOT NULL;', "writes notice anew"),
        ("ALTER TABLE notice ADD x bigserial", "writes notice anew"),
        ("ALTER TABLE notice ADD x int GENERATED BY DEFAULT AS IDENTITY NOT NULL", "writes notice anew"),
        ("ALTER TABLE notice ADD x int GENERATED ALWAYS AS (count * 2) STORED", "writes notice anew"),
        ("ALTER TABLE notice ADD x int DEFAULT 1 CHECK (x > 0)", "checks every row of notice for a constraint"),
        ("ALTER TABLE notice ADD x int UNIQUE", "builds a unique constraint on notice"),
        ("ALTER TABLE notice SET UNLOGGED", "writes notice anew"),
        ("VACUUM FULL notice", "writes notice anew"),
        ("CLUSTER notice", "writes notice anew"),
        ("REINDEX TABLE notice", "writes notice anew"),
    ],
)
def test_what_keeps_a_large_table_locked(statement: str, why: str) -> None:
    assert found(statement) == ([], [f"{why} (about 250,000 rows)"])


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DO $$ BEGIN EXECUTE 'DROP TABLE notice'; END $$", "DO"),
        ("CALL tidy()", "CALL"),
        ("EXECUTE tidy", "EXECUTE"),
        ("SELECT tidy(3)", "SELECT tidy(…)"),
        ("SELECT AddGeometryColumn('notice', 'place', 4326, 'POINT', 2)", "SELECT addgeometrycolumn(…)"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE FUNCTION"),
        ("CREATE TRIGGER t BEFORE INSERT ON notice FOR EACH ROW EXECUTE FUNCTION f()", "CREATE TRIGGER t on notice"),
        ("DROP TRIGGER t ON notice", "DROP TRIGGER t on notice"),
        ("DROP FUNCTION f(int) CASCADE", "DROP FUNCTION f CASCADE"),
        ("DROP TYPE mood", "DROP TYPE mood"),
        ("DROP EXTENSION hstore", "DROP EXTENSION hstore"),
        ("ALTER TYPE mood RENAME VALUE 'a' TO 'b'", "ALTER TYPE mood RENAME VALUE 'a'"),
        ("ALTER TABLE notice DISABLE TRIGGER t", "ALTER TABLE … DISABLE TRIG on notice"),
        ("ALTER TABLE notice ENABLE ROW LEVEL SECURITY",
         "turns row security on for notice: without a policy the code sees no row"),
        ("REVOKE INSERT ON notice FROM writers", "REVOKE on notice"),
        ("SET search_path = archive", "SET search_path"),
        ("MERGE INTO notice USING other ON true WHEN MATCHED THEN DELETE", "MERGE"),
        ("\\copy notice FROM 'x'", 'what PostgreSQL\'s parser does not take (syntax error at or near "\\")'),
    ],
)  # fmt: skip
def test_what_nobody_can_tell_is_said_and_refuses_nothing(statement: str, what: str) -> None:
    assert verdict(statement) == Verdict([], [], [what])


def test_what_is_about_another_table_is_not_even_said() -> None:
    for statement in (
        "DROP TRIGGER t ON other",
        "ALTER TABLE other DISABLE TRIGGER t",
        "REVOKE INSERT ON other FROM x",
    ):
        assert verdict(statement) == Verdict()


def test_the_parser_is_the_one_that_hosts_get_and_there_is_a_build_for_each() -> None:
    pins = yaml.safe_load((REPO / "roles/release/defaults/main.yml").read_text(encoding="utf-8"))["release_pins"]
    assert pins["pglast"] == version("pglast")
    locked = tomllib.loads((REPO / "uv.lock").read_text(encoding="utf-8"))["package"]
    (package,) = [one for one in locked if one["name"] == "pglast"]
    wheels = [wheel["url"].rsplit("/", 1)[-1] for wheel in package["wheels"]]
    assert set(PYTHONS) == {release for releases in SUPPORTED.values() for release in releases}
    # The lock leaves out what is older than this project's own Python: 3.10 was looked up.
    for python in set(PYTHONS.values()) - {"3.10"}:
        for processor in ("x86_64", "aarch64"):
            tag = f"cp{python.replace('.', '')}"
            assert [one for one in wheels if f"-{tag}-{tag}-manylinux" in one and processor in one], (python, processor)
