"""URLs of services, taken apart by the libraries that applications use for it: what went in comes out."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import parse_qs, urlsplit

import dj_database_url
import environ
import pytest
import redis
from celery import Celery
from hypothesis import given, settings
from hypothesis import strategies as some
from kombu import Connection

from plugins.filter.urls import service_url
from roles.django.files import samestack_overlay

WORDS = some.text(some.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=24)
ADDRESSES = some.one_of(
    some.ip_addresses(v=4).map(str),
    some.ip_addresses(v=6).map(str),
    some.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9](\.[a-z]{2,6})?", fullmatch=True),
)
PORTS = some.integers(1, 65535)
NAMES = some.from_regex(r"[a-z_][a-z0-9_]{0,30}", fullmatch=True)
TLS = {"sslmode": "verify-full", "sslrootcert": "/etc/my site/internal-ca.crt"}
REDIS_TLS = {"ssl_cert_reqs": "required", "ssl_ca_certs": "/etc/mysite/internal-ca.crt"}


@given(host=ADDRESSES, port=PORTS, user=WORDS, password=WORDS, name=NAMES)
def test_databases(host: str, port: int, user: str, password: str, name: str) -> None:
    given = {"host": host, "port": port, "user": user, "password": password, "path": f"/{name}", "query": TLS}
    url = service_url(given, "postgresql")
    wanted = {"HOST": host, "PORT": str(port), "USER": user, "PASSWORD": password, "NAME": name, "OPTIONS": TLS}
    for entry in (dj_database_url.parse(url), environ.Env.db_url_config(url), samestack_overlay.database(url, {})):
        assert {key: str(entry[key]) if key == "PORT" else entry[key] for key in wanted} == wanted


@given(user=WORDS, name=NAMES, port=some.one_of(some.just(0), PORTS))
def test_databases_at_the_default_socket(user: str, name: str, port: int) -> None:
    url = service_url({"port": port, "user": user, "path": f"/{name}"}, "postgresql")
    wanted = {"HOST": "", "USER": user, "PASSWORD": "", "NAME": name, "PORT": str(port or "")}
    for entry in (dj_database_url.parse(url), environ.Env.db_url_config(url), samestack_overlay.database(url, {})):
        assert {key: str(entry[key]) for key in wanted} == wanted


def test_a_database_at_another_socket() -> None:
    url = service_url({"host": "/run/my postgresql", "user": "site", "path": "/site"}, "postgresql")
    for entry in (dj_database_url.parse(url), samestack_overlay.database(url, {})):
        assert entry["HOST"] == "/run/my postgresql"


def redis_url(host: str, port: int, user: str, password: str, *, tls: bool) -> str:
    given: dict[str, Any] = {"host": host, "port": port, "user": user, "password": password}
    return service_url(given | ({"path": "/0", "query": REDIS_TLS} if tls else {}), "rediss" if tls else "redis")


@pytest.mark.parametrize("tls", [False, True])
@given(host=ADDRESSES, port=PORTS, user=WORDS, password=WORDS)
def test_redis(tls: bool, host: str, port: int, user: str, password: str) -> None:
    url = redis_url(host, port, user, password, tls=tls)
    wanted = {"host": host, "port": port, "username": user, "password": password}
    found = redis.ConnectionPool.from_url(url).connection_kwargs
    assert {key: found[key] for key in wanted} == wanted
    assert found.get("db", 0) == 0
    if tls:
        assert {key: found[key] for key in REDIS_TLS} == REDIS_TLS
    cache = environ.Env.cache_url_config(url)
    again = redis.ConnectionPool.from_url(cache["LOCATION"]).connection_kwargs
    assert {key: again[key] for key in wanted} == wanted


@pytest.mark.parametrize("tls", [False, True])
# The first example imports Celery.
@settings(deadline=None)
@given(host=ADDRESSES, port=PORTS, user=WORDS, password=WORDS)
def test_celery(tls: bool, host: str, port: int, user: str, password: str) -> None:
    """The broker by kombu, the results by Celery's own parser."""
    url = redis_url(host, port, user, password, tls=tls)
    broker = Connection(url)
    assert (broker.hostname, broker.port, broker.userid, broker.password) == (host, port, user, password)
    backend = Celery("tests", broker=url, backend=url).backend.connparams
    assert (backend["host"], backend["port"], backend["username"], backend["password"]) == (host, port, user, password)
    assert backend["db"] == 0
    for options in (broker.ssl, backend) if tls else ():
        assert options["ssl_cert_reqs"] == ssl.CERT_REQUIRED
        assert options["ssl_ca_certs"] == REDIS_TLS["ssl_ca_certs"]


@given(host=ADDRESSES, port=PORTS, user=WORDS, password=WORDS, number=some.integers(0, 15))
def test_an_application_that_appends_a_database(host: str, port: int, user: str, password: str, number: int) -> None:
    url = f"{redis_url(host, port, user, password, tls=False)}/{number}"
    assert redis.ConnectionPool.from_url(url).connection_kwargs["db"] == number
    assert Celery("tests", broker=url, backend=url).backend.connparams["db"] == number


@given(parts=some.fixed_dictionaries({}, optional={"host": ADDRESSES, "port": PORTS, "user": WORDS, "password": WORDS}))
def test_any_part_may_be_missing(parts: dict[str, Any]) -> None:
    found = urlsplit(service_url({**parts, "query": {"a b": "c/d?e"}}, "x"))
    assert (found.hostname or "") == parts.get("host", "")
    assert (found.port or 0) == parts.get("port", 0)
    assert bool(found.password) == ("password" in parts)
    assert parse_qs(found.query) == {"a b": ["c/d?e"]}
