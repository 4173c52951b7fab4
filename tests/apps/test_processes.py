"""What runs beside the pages: workers end what they have begun, one never runs twice, jobs have time; wide headers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.apps import SETTINGS
from tests.support.machines import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.apps import App

OURS = SETTINGS + '\nINSTALLED_APPS += ["shop"]\n'
REQUIREMENTS = "Django==5.2.8\ncelery==5.7.0\nredis==8.1.0\npackaging==26.3\n"
QUEUE = """
import os
import time

import redis
from celery import Celery

RELEASE = os.environ.get("SAMESTACK_RELEASE", "")
app = Celery("mysite", broker=os.environ["REDIS_URL"])
app.conf.beat_schedule = {"tick": {"task": "mysite.celery.tick", "schedule": 1.0}}
store = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


@app.task
def work(number):
    store.rpush("begun", number)
    time.sleep(4)
    store.rpush("done", f"{number} {RELEASE}")


@app.task
def tick():
    store.rpush("ticks", time.time())
"""
URLS = """
import time

from django.http import HttpResponse, JsonResponse
from django.urls import path

from mysite.celery import store, work


def begin(request, count):
    for number in range(count):
        work.delay(number)
    return HttpResponse("begun")


def state(request):
    return JsonResponse({name: store.lrange(name, 0, -1) for name in ("begun", "done", "ticks", "billed")})


def wait(request):
    time.sleep(2)
    return HttpResponse("waited")


def wide(request):
    cookies = [len(text) for text in request.COOKIES.values()]
    answer = JsonResponse({"cookies": cookies, "path": len(request.get_full_path())})
    for number in range(8):
        answer.set_cookie(f"c{number}", "x" * 1000)
    return answer


urlpatterns = [
    path("", lambda request: HttpResponse("plain")),
    path("begin/<int:count>", begin),
    path("state", state),
    path("wait", wait),
    path("wide", wide),
]
"""
KEEPER = "import time\n\nwhile True:\n    time.sleep(1)\n"
DIES = "import sys\nimport time\n\ntime.sleep(1.5)\nsys.exit('the queue of letters is gone')\n"
# It ends when it is let go, whatever happens in the meantime.
BILL = """
import os
import pathlib
import time

from mysite.celery import store

while not pathlib.Path(os.environ["MEDIA_ROOT"], "paid").exists():
    time.sleep(0.1)
store.rpush("billed", os.environ["SAMESTACK_RELEASE"])
"""
MODELS = """
from django.db import models


class Item(models.Model):
    {title}
"""
TITLE = "title = models.CharField(max_length=40)"
FIRST = """
from django.db import migrations, models


class Migration(migrations.Migration):
    operations = [
        migrations.CreateModel("Item", [
            ("id", models.BigAutoField(primary_key=True, serialize=False)),
            ("title", models.CharField(max_length=40)),
        ]),
    ]
"""
SECOND = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [migrations.RemoveField("item", "title")]
"""
FILES = {
    "requirements.txt": REQUIREMENTS,
    "mysite/__init__.py": "from .celery import app as celery_app\n\n__all__ = ['celery_app']\n",
    "mysite/celery.py": QUEUE,
    "mysite/settings.py": OURS,
    "mysite/urls.py": URLS,
    "keeper.py": KEEPER,
    "bill.py": BILL,
    "shop/__init__.py": "",
    "shop/models.py": MODELS.format(title=TITLE),
    "shop/migrations/__init__.py": "",
    "shop/migrations/0001_initial.py": FIRST,
}
WORKERS = {
    "queue": {"command": "celery -A mysite worker --concurrency 2", "stop_timeout": "2m"},
    "beat": {"command": "celery -A mysite beat --schedule /tmp/schedule", "single": True},
    "keeper": {"command": "python keeper.py"},
}
#: As many as two processes of a worker need longer for than a deployment takes
TASKS = 20
#: Visitors who wait for a slow page at once
WAITING = 8
#: How many schedulers run at once, looked at again and again; in how many looks in a row there may be none
MOMENT = 60
COUNT = r"""while sleep 0.1; do pgrep -fc '[c]elery -A mysite beat'; done >/run/schedulers"""
#: The job is let go when nothing new begins any more, and a while after.
LET_GO = """while systemctl is-active --quiet {app}-timer-bill.timer; do sleep 0.1; done
sleep 3
systemctl is-active --quiet {app}-web@* && echo served >/run/closing
touch /srv/{app}/shared/media/paid
"""


@pytest.fixture(scope="module")
def shop(app: App) -> Iterator[App]:
    """A shop with a queue, a scheduler, a worker of its own and a timer."""
    app.start(
        files=FILES,
        app_redis=True,
        app_workers=WORKERS,
        app_timers={"bill": {"command": "python bill.py", "schedule": "*-01-01"}},
    )
    yield app
    app.machine.run("systemctl stop schedulers let-go || true; rm -f /run/schedulers /run/closing")


def state(app: App) -> dict[str, Any]:
    found: dict[str, Any] = app.browser().get("/state").json()
    return found


def alongside(app: App, unit: str, script: str) -> None:
    """Let a script run on the machine while verbs are typed."""
    app.machine.give(f"/run/{unit}.sh", script)
    app.machine.run(f"systemd-run --quiet --collect --unit {unit} sh /run/{unit}.sh")


def test_no_task_is_lost_and_one_scheduler_runs(shop: App) -> None:
    wait_for("the scheduler", lambda: state(shop)["ticks"])
    before = shop.team.live(shop.kind)
    alongside(shop, "schedulers", COUNT)
    assert shop.browser().get(f"/begin/{TASKS}").text == "begun"
    after = shop.deploy({"mysite/version.py": "VERSION = 2\n"})
    found = wait_for("the tasks", lambda: len((now := state(shop))["done"]) >= TASKS and now, 120)
    assert sorted(map(int, found["begun"])) == list(range(TASKS)), "each began once"
    done = [one.split() for one in found["done"]]
    assert sorted(int(number) for number, _release in done) == list(range(TASKS)), "and ended"
    assert {release for _number, release in done} == {before, after}, "the deployment was in their midst"
    assert "Warm shutdown" in shop.logs()
    counted = shop.machine.run("systemctl stop schedulers; cat /run/schedulers").split()
    assert set(counted) == {"0", "1"}, "never two; between two releases there is nobody for a moment"
    assert max(len(list(same)) for number, same in groupby(counted) if number == "0") < MOMENT, counted
    ticks = len(state(shop)["ticks"])
    wait_for("the scheduler of the new release", lambda: len(state(shop)["ticks"]) > ticks + 1)


def test_pages_that_wait_do_not_stop_the_others(shop: App) -> None:
    def seconds(path: str) -> float:
        began = time.monotonic()
        assert shop.browser().get(path).status == 200
        return time.monotonic() - began

    with ThreadPoolExecutor(WAITING) as pool:
        waiting = [pool.submit(seconds, "/wait") for _ in range(WAITING)]
        time.sleep(0.3)
        others = [seconds("/") for _ in range(10)]
        # They waited at once: each has a thread of its own.
        assert max(one.result() for one in waiting) < 2 * 1.9
    # Behind 8 pages in turns it would be 2 s and more.
    assert max(others) < 1, others


def test_wide_headers_in_both_directions(shop: App) -> None:
    browser = shop.browser()
    assert browser.get("/wide").status == 200
    path = "/wide?next=" + "a" * 7900
    assert browser.get(path).json() == {"cookies": [1000] * 8, "path": len(path)}


def test_a_worker_that_dies_after_a_moment_is_no_good_release(shop: App) -> None:
    shop.commit({"keeper.py": DIES})
    said = shop.refuses("deploy")
    assert "app_workers.keeper" in said
    assert "the queue of letters is gone" in said


def test_a_job_has_time_when_the_site_closes(shop: App) -> None:
    unit = f"{shop.machine.app}-timer-bill"
    shop.machine.run(f"systemctl start --no-block {unit}.service")
    wait_for("the job", lambda: "ing" in shop.machine.run(f"systemctl is-active {unit}.service || true"))
    alongside(shop, "let-go", LET_GO.format(app=shop.machine.app))
    shop.commit(
        {"keeper.py": KEEPER, "shop/models.py": MODELS.format(title="pass"), "shop/migrations/0002_title.py": SECOND}
    )
    said = " ".join(shop.samestack("deploy", allow_breaking=True).split())
    assert "for the job of timer bill to end" in said
    assert len(state(shop)["billed"]) == 1
    assert shop.machine.run("cat /run/closing") == "served\n", "visitors are served until it has ended"
    keeper = f"systemctl list-units --plain --no-legend --state=active '{shop.machine.app}-worker-keeper@*'"
    assert len(shop.machine.run(keeper).splitlines()) == 1, "the worker of before, mended"
