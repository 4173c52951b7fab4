"""What `samestack init` decides of Redis and memcached, by settings that can do without their variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from plugins.plugin_utils.adoption import writing
from tests.support.shapes.skeleton import CELERY, project
from tests.unit.test_adoption import read

if TYPE_CHECKING:
    from pathlib import Path

    from plugins.plugin_utils.adoption.adopt import Adoption

URL = "{{ redis_url }}"
HEAD = (
    "import os\nimport environ\nfrom decouple import config\nenv = environ.Env(DECLARED_REDIS=(str, 'redis://cache'))\n"
)
CACHE = "CACHES = {'default': {'BACKEND': 'django_redis.cache.RedisCache', 'LOCATION': X}}\n"


def adopted(folder: Path, settings: str, **more: str) -> Adoption:
    return read(folder, project(HEAD + settings, **more))


def given(found: Adoption) -> dict[str, Any]:
    """What variables of Redis and memcached are given; those that the settings insist on are not the question here."""
    return {**found.decisions.get("app_env", {}), **found.decisions.get("app_secret_env", {})}


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ("X = os.environ.get('SHOP_REDIS', 'redis://127.0.0.1:6379/1')", "SHOP_REDIS"),
        ("X = os.getenv('SHOP_REDIS')", "SHOP_REDIS"),
        ("X = os.getenv('SHOP_REDIS') or 'redis://localhost'", "SHOP_REDIS"),
        ("X = {'redis': {'default': 'redis://localhost/1', 'env': os.getenv('SHOP_REDIS')}}", "SHOP_REDIS"),
        ("X = env.cache_url('SESSION_CACHE', default='redis://redis:6379/3')", "SESSION_CACHE"),
        ("X = env('DECLARED_REDIS')", "DECLARED_REDIS"),
        ("X = config('BROKER_URL', default='amqp://guest:guest@rabbit:5672//')", "BROKER_URL"),
        ("X = env('CELERY_RESULT_BACKEND', default='rpc://')", "CELERY_RESULT_BACKEND"),
        ("X = env('CELERY_BROKER', 'redis://cache:6379/2')", "CELERY_BROKER"),
        ("X = env.list('PLACES', default=['valkey://valkey:6379'])", "PLACES"),
        ("X = os.getenv('JOBS', 'redis://change-me.invalid/0')", "JOBS"),
        ("HOST = 'localhost'\nX = os.getenv('JOBS', f'redis://{HOST}:6379/0')", "JOBS"),
    ],
)
def test_an_address_for_developing_becomes_samestacks(tmp_path: Path, settings: str, name: str) -> None:
    found = adopted(tmp_path, f"{settings}\n{CACHE}")
    assert found.decisions["app_secret_env"] == {name: URL}, "\n".join(writing.report(found))
    finding = next(one for one in found.findings if one.value == f"{name}: {URL}")
    line = int(finding.place.removeprefix("mysite/settings.py:"))
    text = (tmp_path / "mysite/mysite/settings.py").read_text()
    assert name in text.splitlines()[line - 1]
    assert finding.sure == "likely"


@pytest.mark.parametrize(
    "settings",
    [
        "X = os.getenv('SHOP_REDIS', 'redis://redis.our-corp.io:6379')",
        "X = os.getenv('DJANGO_CACHE', 'locmem://')",
        "X = env('CELERY_RESULT_BACKEND', default='django-db')",
        "X = os.getenv('CHANNELS_BACKEND', 'channels_redis.core.RedisChannelLayer')",
        "X = os.getenv('READ_CACHE_URL')",
        "X = os.getenv('OBSERVABILITY_BROKER_URL')",
        "X = env.bool('USE_REDIS', False)",
        "X = os.getenv('USE_REDIS')",
        "X = os.getenv('TEST_REDIS_URL')",
        "X = os.getenv('REDIS_PREFIX', '')",
        "X = os.getenv('QUEUE', 'amqp://localhost')",
        "X = os.getenv('READ_REDIS_URL', made())",
        "X = env('REDIS_URL', default='redis://localhost')",
    ],
)
def test_what_is_no_redis_of_a_developer_stays(tmp_path: Path, settings: str) -> None:
    assert not given(adopted(tmp_path, f"{settings}\n{CACHE}"))


def test_without_redis_nothing_leads_to_it(tmp_path: Path) -> None:
    assert not given(adopted(tmp_path, "X = os.getenv('QUEUE_BACKEND', 'sqlite://')\n"))


PARTS = {"SHOP_REDIS_HOST": "{{ redis_host }}", "SHOP_REDIS_PORT": "{{ redis_port }}"}


@pytest.mark.parametrize(
    ("settings", "decided"),
    [
        ("env('SHOP_REDIS_HOST', default='localhost'), env.int('SHOP_REDIS_PORT', default=6379)", PARTS),
        ("env('SHOP_REDIS_HOST'), env.int('SHOP_REDIS_PORT', default=6379)", PARTS),
        ("env('SHOP_REDIS_HOST', default=None), env.int('SHOP_REDIS_PORT', default=6379)", PARTS),
        ("env('SHOP_REDIS_HOST', default='redis.our-corp.io'), env.int('SHOP_REDIS_PORT', default=6379)", {}),
        ("env.int('SHOP_REDIS_PORT', default=6379)", {}),
        (
            "env('REDISHOST', default=''), env('REDISUSER', default=''), env('REDISPASSWORD', default='')",
            {"REDISHOST": "{{ redis_host }}", "REDISUSER": "{{ app_name }}", "REDISPASSWORD": "{{ redis_password }}"},
        ),
    ],
)
def test_a_host_and_what_belongs_to_it(tmp_path: Path, settings: str, decided: dict[str, str]) -> None:
    found = adopted(tmp_path, f"X = [{settings}]\n{CACHE}")
    assert given(found) == decided
    # It can be asked without a password where the settings know none, and only there.
    assert found.decisions.get("app_redis_open", False) == (decided == PARTS)


@pytest.mark.parametrize(
    ("settings", "opened"),
    [
        ("CHANNEL_LAYERS = {'default': {'BACKEND': 'channels_redis.core.RedisChannelLayer',"
         " 'CONFIG': {'hosts': [('127.0.0.1', 6379)]}}}", True),
        ("X = 'redis://localhost:6379/1'\n" + CACHE, True),
        ("CELERY_BROKER_URL = 'redis://'\n", True),
        ("RQ_QUEUES = {'default': {'HOST': 'localhost', 'PORT': 6379, 'DB': 0}}", True),
        ("RQ_QUEUES = {'default': {'HOST': 'localhost', 'PORT': 6379, 'PASSWORD': 'x'}}", False),
        ("RQ_QUEUES = {'default': {'HOST': 'localhost', 'PORT': 6379, 'PASSWORD': ''}}", True),
        ("X = 'redis://:secret@localhost:6379/1'\n" + CACHE, False),
        ("X = os.getenv('A_REDIS_URL', 'redis://localhost:6379/1')\n" + CACHE, False),
        ("H = os.getenv('REDIS_HOST')\nP = os.getenv('REDIS_PASSWORD')\nX = f'redis://:{P}@{H}:6379'\n" + CACHE, False),
        ("X = os.getenv('QUEUE_URL', 'redis://redis.our-corp.io:6379')\n" + CACHE, False),
        # It is in a file of its own, which is not in the repository.
        ("X = getattr(__import__('own'), 'REDIS')\n" + CACHE.replace("X", "X, 'OPTIONS': {'PASSWORD': X}"), True),
    ],
)  # fmt: skip
def test_an_address_without_a_password_that_is_written_into_the_settings(
    tmp_path: Path, settings: str, opened: bool
) -> None:
    found = adopted(tmp_path, settings + "\n", packages="redis==6.4.0\n")
    assert found.decisions["app_redis"]
    assert found.decisions.get("app_redis_open", False) == opened
    if opened:
        told = next(one for one in found.findings if "app_redis_open" in one.decisions)
        assert told.place.startswith("mysite/settings.py:")


@pytest.mark.parametrize(
    ("settings", "secret"),
    [
        ("CELERY_BROKER_URL = env('CELERY_BROKER_URL', default='amqp://guest@localhost//')", {}),
        ("Q = os.environ.get('AMQP_URL')\nif Q:\n    CELERY_BROKER_URL = Q\nelse:\n"
         "    CELERY_BROKER_URL = 'amqp://guest@rabbit//'", {"AMQP_URL": URL}),
        ("CELERY_BROKER_URL = os.getenv('JOBS_URL') or 'amqp://localhost'", {"JOBS_URL": URL}),
        ("CELERY_BROKER_URL = env('JOBS_URL') if len(env('JOBS_URL')) else 'amqp://localhost'", {"JOBS_URL": URL}),
    ],
)  # fmt: skip
def test_celery_takes_redis_for_rabbitmq_where_a_variable_says_which(
    tmp_path: Path, settings: str, secret: dict[str, str]
) -> None:
    celery = CELERY.format("mysite.settings", "mysite")
    compose = "services: {broker: {image: 'rabbitmq:4'}}\n"
    found = adopted(
        tmp_path,
        settings + "\n",
        packages="celery==5.5.0\n",
        mysite__celery_dot_py=celery,
        compose_dot_yml=compose,
    )
    assert not found.problems, "\n".join(writing.report(found))
    assert found.decisions["app_redis"]
    assert found.decisions.get("app_secret_env", {}) == secret


def test_memcached_of_a_developer(tmp_path: Path) -> None:
    backend = "'BACKEND': 'django.core.cache.backends.memcached.PyMemcacheCache'"
    read = (
        "X = os.getenv('MEMCACHED_URL', '127.0.0.1:11211')\nY = os.getenv('OLD_MEMCACHED_URL', 'm.example-corp.io:1')\n"
    )
    found = adopted(tmp_path, f"{read}CACHES = {{'default': {{{backend}, 'LOCATION': X}}}}\n")
    assert found.decisions["app_memcached"]
    assert given(found) == {"MEMCACHED_URL": "{{ memcached_location }}"}
