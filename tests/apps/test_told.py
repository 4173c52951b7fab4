"""What the machine tells the app: addresses of services in every dialect, who asks, texts that arrive as they were."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.apps import App

SPOOFED = {
    "X_Forwarded_For": "6.6.6.6", "X_Real_IP": "6.6.6.6", "Forwarded": "for=6.6.6.6", "Client_IP": "6.6.6.6",
    "True_Client_IP": "6.6.6.6", "X_Forwarded_Host": "evil.example", "Remote_Addr": "6.6.6.6",
}  # fmt: skip
TEXTS = {
    "PIN": "007",
    "LIMITS": '{"most": 3}',
    "SIZE_OF_IT": 4,
    "SHOP_URL": "https://Shop.example.com",
    "TOLD_LATE": "yes",
}
#: Every well-known reader does something with an address and takes it back.
READERS = """
import asyncio, json, os, sys
url = sys.argv[1]
os.environ.update(REDIS_URL=url, CACHE_URL=url, CELERY_BROKER_URL=url)
import django
django.setup()
import django_rq, redis
from channels.layers import get_channel_layer
from django.core.cache import caches
from huey import RedisHuey
from mysite.celery import add, app
found = {}
found["redis-py"] = redis.Redis.from_url(url).ping()
for name in caches:
    caches[name].set("reader", name)
    found[f"cache {name}"] = caches[name].get("reader") == name
with app.connection_for_write() as connection:
    queue = connection.SimpleQueue("readers")
    queue.put({"a": 1})
    found["kombu"] = queue.get(timeout=5).payload == {"a": 1}
app.backend.set("reader", "result")
found["Celery's results"] = app.backend.get("reader") == b"result"
async def channels():
    layer = get_channel_layer()
    await layer.send("reader", {"type": "x"})
    return (await layer.receive("reader"))["type"] == "x"
found["channels-redis"] = asyncio.run(channels())
found["RQ"] = django_rq.get_queue("default").enqueue(print).id is not None
huey = RedisHuey("reader", url=url)
huey.storage.enqueue(b"x")
found["huey"] = huey.storage.dequeue() == b"x"
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def release(app: App) -> str:
    return app.start(
        "told",
        app_redis=True,
        app_workers={"queue": {"command": "celery -A mysite worker --concurrency 1"}},
        app_env=TEXTS,
    )


def own_address(app: App) -> str:
    """Return the address from which this computer reaches the machine."""
    with socket.create_connection((app.machine.address, 443)) as connection:
        return str(connection.getsockname()[0])


@pytest.mark.usefixtures("release")
def test_texts_arrive_as_they_were_written(app: App) -> None:
    answer = app.browser().get("/told/").json()
    wanted = {"PIN": "007", "LIMITS": {"most": 3}, "SIZE": 4, "SHOP": "shop.example.com", "LATE": "yes", "DEBUG": False}
    assert answer == wanted
    # At once, not when the process ends
    assert "somebody asked what it was told" in app.logs()


@pytest.mark.usefixtures("release")
def test_a_task_and_three_caches_go_through_redis(app: App) -> None:
    answer = app.browser().get("/tasks/")
    assert answer.status == 200, app.logs()[-3000:]
    assert answer.json() == {"sum": 5, "caches": ["by default", "by django-redis", "by environ"]}


@pytest.mark.usefixtures("release")
def test_mail_is_caught_for_every_mailer(app: App) -> None:
    assert app.browser().get("/send/").text == "sent"
    mail = app.machine.run("cat /srv/mysite/shared/mail/*")
    assert "default@example.com" in mail
    assert "news@example.com" in mail


@pytest.mark.usefixtures("release")
def test_every_reader_of_an_address(app: App) -> None:
    python = "cd /srv/mysite/current/app && /srv/mysite/current/venv/bin/python"
    variables = app.machine.run("cat /etc/mysite/env /srv/mysite/current/release.env")
    app.machine.give("/run/readers.env", variables)
    app.machine.give("/run/readers.py", READERS)
    try:
        found = app.machine.run(f"set -a; . /run/readers.env; set +a; {python} /run/readers.py $REDIS_URL")
    finally:
        app.machine.run("rm -f /run/readers.*")
    answers = json.loads(found.splitlines()[-1])
    assert len(answers) >= 9
    assert {name for name, well in answers.items() if not well} == set()


@pytest.mark.soak
@pytest.mark.usefixtures("release")
def test_an_application_that_knows_no_password_gets_into_redis(app: App) -> None:
    assert "NOAUTH" in app.machine.run("redis-cli -h 127.0.0.1 SET known 1")
    app.decide(app_redis_open=True)
    app.provision()
    assert app.machine.run("redis-cli -h 127.0.0.1 SET known 1").strip() == "OK"
    assert "NOPERM" in app.machine.run("redis-cli -h 127.0.0.1 CONFIG GET dir")


@pytest.mark.parametrize(
    ("kind", "decisions"),
    [
        ("WSGIRequest", {}),
        ("ASGIRequest", {"app_asgi": "mysite.asgi:application"}),
        pytest.param("WSGIRequest", {"app_server": "granian"}, marks=pytest.mark.soak),
    ],
    ids=["gunicorn", "uvicorn", "granian"],
)
@pytest.mark.usefixtures("release")
def test_the_visitors_address(app: App, kind: str, decisions: dict[str, str]) -> None:
    if decisions:
        app.decide(app_asgi="", app_server="gunicorn")
        app.decide(**decisions)
        app.deploy()
    plain = app.browser().get("/visit/").json()
    assert plain == {"address": own_address(app), "kind": kind}
    assert app.browser().get("/visit/", **SPOOFED).json() == plain
