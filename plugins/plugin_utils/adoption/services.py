"""What a project keeps things in: databases, Redis and memcached, extensions of PostgreSQL."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ..project.variables import WITH_REDIS
from ..text import listing
from . import ours
from .finding import Finding
from .reading import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .finding import Sureness
    from .source import Source

#: Packages that talk to Redis and nothing else
REDIS_PACKAGES = (
    "django-redis",
    "redis",
    "hiredis",
    "channels-redis",
    "django-redis-cache",
    "django-rq",
    "rq",
    "valkey",
)
REDIS_SETTINGS = (
    "CACHES", "CHANNEL_LAYERS", "CELERY_BROKER_URL", "BROKER_URL", "CELERY_RESULT_BACKEND", "REDIS_URL", "REDIS_HOST",
    "RQ_QUEUES", "HUEY", "Q_CLUSTER", "DRAMATIQ_BROKER", "SESSION_ENGINE", "REDIS",
)  # fmt: skip
MEMCACHED = re.compile(r"Memcached|pymemcache|pylibmc", re.IGNORECASE)
REDIS = re.compile(r"redis|valkey", re.IGNORECASE)
OTHER_BROKERS = {"amqp://": "RabbitMQ", "pyamqp://": "RabbitMQ", "sqs://": "Amazon SQS", "kafka://": "Kafka"}
#: Engines of other databases than PostgreSQL, by a part of their names
ENGINES = {"mysql": "MySQL", "mariadb": "MariaDB", "oracle": "Oracle", "mssql": "SQL Server", "djongo": "MongoDB"}
ENGINE_PACKAGES = {
    "mysqlclient": "MySQL", "pymysql": "MySQL", "mysql-connector-python": "MySQL", "oracledb": "Oracle",
    "cx-oracle": "Oracle", "mssql-django": "SQL Server", "djongo": "MongoDB",
}  # fmt: skip
POSTGRESQL = ("psycopg", "psycopg2", "psycopg2-binary", "psycopg-binary", "psycopg-c")
#: Extensions by what migrations call to have them
OPERATIONS = {
    "TrigramExtension": "pg_trgm", "UnaccentExtension": "unaccent", "HStoreExtension": "hstore",
    "CITextExtension": "citext", "BtreeGinExtension": "btree_gin", "BtreeGistExtension": "btree_gist",
    "CryptoExtension": "pgcrypto",
    "VectorExtension": "vector", "BloomExtension": "bloom",
}  # fmt: skip
#: Those that PostgreSQL lets a database's owner make (its manual, "Additional Supplied Modules", since 13)
TRUSTED = frozenset(
    {"btree_gin", "btree_gist", "citext", "cube", "dict_int", "fuzzystrmatch", "hstore", "intarray", "isn", "lo",
     "ltree", "pgcrypto", "pg_trgm", "plpgsql", "seg", "tablefunc", "tcn", "tsm_system_rows", "tsm_system_time",
     "unaccent", "uuid-ossp"}
)  # fmt: skip
CREATED = re.compile(
    r"CreateExtension\(\s*['\"]([\w-]+)|CREATE EXTENSION (?:IF NOT EXISTS )?['\"]?([\w-]+)", re.IGNORECASE
)
MODEL = re.compile(r"^class \w+\([^)]*\bModel\b", re.MULTILINE)
ABSTRACT = re.compile(r"\b(?:abstract|proxy) = True|\bmanaged = False")
MIGRATION = re.compile(r"(^|/)migrations/\w+\.py$")
#: What no other database than SQLite takes, and what a migration asks that does it for SQLite alone
OF_SQLITE, ASKS = re.compile(r"\bPRAGMA \w|\bsqlite_master\b"), "vendor"
GIS = "django.contrib.gis"


def found(source: Source) -> Iterator[Finding]:
    """Yield what the project keeps things in."""
    yield from _databases(source)
    yield from _migrations(source)
    yield from _extensions(source)
    yield from redis(source)
    yield from _memcached(source)
    yield from _brokers(source)


def _databases(source: Source) -> Iterator[Finding]:
    settings = source.settings
    said, known = settings.said("DATABASES"), settings.value("DATABASES")
    engines = [(text, place) for text, place in settings.texts("DATABASES") if "backends" in text or text in ENGINES]
    for text, place in engines:
        name = next((title for part, title in ENGINES.items() if part in text.lower()), "")
        if name and not source.has(*POSTGRESQL):
            yield _not_ours(name, place)
            return
    package = source.has(*ENGINE_PACKAGES)
    # A package for it may lie there for whoever wants it.
    if package and not engines and not source.has(*POSTGRESQL):
        yield _not_ours(ENGINE_PACKAGES[package], source.package_place(package))
        return
    if (place := written_for_sqlite(source)) and not source.has(*POSTGRESQL):
        told = _not_ours("SQLite", place)
        yield replace(told, sure="likely", note=f"its migrations are written for SQLite; {told.note}")
        return
    names = [name for name in known if name != "default"] if isinstance(known, dict) else []
    if said:
        sqlite = all("sqlite" in text for text, _place in engines) and engines
        note = "SQLite in the settings; here it is PostgreSQL, set over it" if sqlite else ""
        yield Finding("database", "PostgreSQL", said.place, note=note)
    if said and names:
        note = (
            f"only `default` is made: databases of more names ({', '.join(names)}) need a server of your own, named in "
            f"app_secret_env as your settings read it"
        )
        # What is asked for under a condition may be off.
        sure: Sureness = "sure" if said.sure else "guess"
        yield Finding("more databases", ", ".join(names), said.place, sure, note=note, problem=said.sure)


def written_for_sqlite(source: Source) -> str:
    """Return where a migration says what SQLite alone understands, "" for nowhere."""
    for name in filter(MIGRATION.search, source.files):
        text = source.text(name)
        if ASKS not in text and (said := OF_SQLITE.search(text)):
            return source.place(name, said[0])
    return ""


def _not_ours(name: str, place: str) -> Finding:
    note = (
        f"Samestack runs PostgreSQL, not {name}. Django itself can move: `manage.py dumpdata` there, `loaddata` here; "
        f"raw SQL of {name}'s own in the code has to be looked through"
    )
    return Finding("database", name, place, note=note, problem=True)


def _migrations(source: Source) -> Iterator[Finding]:
    """Yield that apps with models have a folder for migrations and none in it: who runs them makes them, each anew."""
    folders = {name.rpartition("/")[0] for name in source.files if MIGRATION.search(name)}
    made = {name.rpartition("/")[0] for name in source.files if MIGRATION.search(name) and "__init__" not in name}
    apps = sorted(folder.rpartition("/")[0] for folder in folders - made)
    without = [app for app in apps if has_tables(source, app)]
    if without:
        note = (
            "git has none of them, so their tables are missing here. Made on each machine they would be others each "
            "time: run `manage.py makemigrations` in the project, and commit what it makes"
        )
        place = f"{without[0]}/migrations/__init__.py:1"
        yield Finding("migrations", f"none of {listing(without)}", place, note=note, problem=True)


def has_tables(source: Source, app: str) -> bool:
    """Return whether the models of an app, a folder, are more than what others are made from."""
    files = [text for name, text in source.code.items() if name.startswith((f"{app}/models.py", f"{app}/models/"))]
    return any(len(MODEL.findall(text)) > len(ABSTRACT.findall(text)) for text in files)


def _extensions(source: Source) -> Iterator[Finding]:
    wanted: dict[str, str] = {}
    apps = source.settings.apps()
    if GIS in apps:
        wanted["postgis"] = apps[GIS]
    for text, place in source.settings.texts("DATABASES"):
        if "postgis" in text:
            wanted.setdefault("postgis", place)
    if source.has("pgvector"):
        wanted["vector"] = source.package_place("pgvector")
    for name in (one for one in source.files if "/migrations/" in one and one.endswith(".py")):
        text = source.text(name)
        if "xtension" not in text and "EXTENSION" not in text:
            continue
        for operation, extension in OPERATIONS.items():
            if f"{operation}(" in text:
                wanted.setdefault(extension, source.place(name, f"{operation}("))
        for match in CREATED.finditer(text):
            wanted.setdefault(match[1] or match[2], source.place(name, match[0].splitlines()[0]))
    for extension, place in wanted.items():
        # What PostgreSQL trusts its owner with, migrations make by themselves.
        decided = {"database_extensions": [extension]} if extension not in TRUSTED else {}
        yield Finding("extension of PostgreSQL", extension, place, decisions=decided)
    if "postgis" in wanted:
        packages = ["binutils", "gdal-bin", "libproj-dev"]
        yield Finding("system packages", ", ".join(packages), wanted["postgis"], "likely",
                      {"app_system_packages": packages}, "what GeoDjango loads")  # fmt: skip


def redis(source: Source) -> Iterator[Finding]:
    """Yield where Redis is asked for, one finding at most."""
    place = next((where for text, where in source.settings.texts(*REDIS_SETTINGS) if REDIS.search(text)), "")
    if place:
        yield Finding("Redis", "used", place, decisions={"app_redis": True})
        return
    name = next((one for one in source.project.environment if REDIS.search(one) or one == "CELERY_BROKER_URL"), "")
    package = source.has(*REDIS_PACKAGES)
    if name:
        file = next((one for one in source.settings.files if name in one.read_text(errors="replace")), None)
        where = source.place(file.relative_to(source.root).as_posix(), name) if file else ""
        yield Finding("Redis", f"asked for by {name}", where, "likely", {"app_redis": True})
    elif package:
        yield Finding("Redis", f"{package} is among the packages", source.package_place(package), "likely",
                      {"app_redis": True})  # fmt: skip


def _memcached(source: Source) -> Iterator[Finding]:
    for text, place in source.settings.texts("CACHES"):
        if MEMCACHED.search(text):
            said = source.settings.value("CACHES")
            location = said.get("default", {}).get("LOCATION") if isinstance(said, dict) else UNKNOWN
            note = "its address is in MEMCACHED_LOCATION" if location is not UNKNOWN else ""
            yield Finding("memcached", "used", place, decisions={"app_memcached": True}, note=note)
            return


def _brokers(source: Source) -> Iterator[Finding]:
    for text, place in source.settings.texts(*ours.BROKERS):
        name = next((title for begin, title in OTHER_BROKERS.items() if text.startswith(begin)), "")
        name = name or ("RabbitMQ" if "rabbitmq" in text.lower() else "")
        variable = next(filter(None, (ours.read_by(source.settings, setting) for setting in ours.BROKERS)), "")
        if name == "RabbitMQ" and variable:
            note = f"{variable} leads to Redis, which Celery takes as well; Samestack has no {name}"
            secret = {} if variable in WITH_REDIS else {"app_secret_env": {variable: ours.URL}}
            yield Finding("broker", f"Redis for {name}", place, "likely", {"app_redis": True, **secret}, note)
            return
        if name:
            note = (
                f"Samestack runs Redis, not {name}: set app_redis: true if the broker's address is an environment "
                f"variable, or give it the address of a {name} of your own"
            )
            yield Finding("broker", name, place, note=note, problem=True)
            return
