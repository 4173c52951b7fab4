"""A release has passed its application's tests before it goes anywhere: its very bytes, among strangers' servers."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from tests.support.apps import App

URLS = """from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse("one"))]
"""
# What is within reach of tests, told by tests
PROBE = """import os
import pwd
import socket
from pathlib import Path

import django
import pytest
import redis
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection

SECRET = {secret!r}
HERE = Path(__file__).resolve().parent


def ask(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.django_db
def test_the_database_is_of_these_tests_alone():
    assert ask("SELECT current_database()") == ["test_mysite"]
    assert ask("SELECT rolname FROM pg_roles WHERE rolcanlogin ORDER BY 1") == ["mysite", "postgres"]
    assert ask("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [False]
    assert {{"unaccent", "file_fdw"}} <= set(ask("SELECT extname FROM pg_extension"))
    assert os.environ["DATABASE_URL"] == "postgresql://mysite@/mysite"


def test_so_is_redis():
    server = redis.from_url(os.environ["REDIS_URL"])
    assert server.dbsize() == 0
    assert server.set("a", "b")
    assert os.environ["QUEUE"] == os.environ["REDIS_URL"]


def test_there_is_no_secret():
    assert os.environ["SECRET_KEY"] != SECRET
    assert os.environ["API_TOKEN"]
    assert not [name for name, value in os.environ.items() if SECRET in value or "samestack-stands" in value]
    with pytest.raises(OSError):
        Path("/etc/mysite/env").read_text()


def test_the_release_is_where_it_serves_and_can_only_be_read():
    assert str(HERE).startswith("/srv/mysite/releases/")
    with pytest.raises(OSError):
        (HERE / "new.py").write_text("")
    with pytest.raises(OSError):
        (Path(django.__file__).parent / "new.py").write_text("")
    # Its own packages come first; what it is tested with lies elsewhere.
    served = (HERE.parents[1] / "venv").resolve()
    assert Path(django.__file__).is_relative_to(served)
    assert not Path(pytest.__file__).is_relative_to(served)


def test_what_is_uploaded_goes_away():
    assert default_storage.path("").startswith("/srv/mysite/shared/media")
    default_storage.save("of-a-test.txt", ContentFile(b"x"))


def test_nobody_is_in_reach():
    for address in ("1.1.1.1", {address!r}):
        with pytest.raises(OSError):
            socket.create_connection((address, 80), 2)
    assert pwd.getpwuid(os.getuid()).pw_name.startswith("build-")
    others = [name for name in os.listdir("/proc") if name.isdigit() and owner(name) not in (os.getuid(), None)]
    assert others == []


def owner(process):
    try:
        return os.stat(f"/proc/{{process}}").st_uid
    except OSError:
        return None
"""
FAILS = "def test_that_fails():\n    assert 'this' == 'that'\n"
DECISIONS: dict[str, Any] = {
    "app_redis": True,
    "app_test_commands": ["python manage.py check", "pytest -q -p no:cacheprovider"],
    "app_env": {"QUEUE": "{{ redis_url }}"},
    "app_secret_env": {"API_TOKEN": "{{ vault_app_secret_key }}"},
    "database_extensions": ["unaccent", "file_fdw"],
}
DATABASES = "cd / && sudo -u postgres psql -XAtc 'SELECT datname FROM pg_database ORDER BY 1'"
UNITS = "systemctl list-units --all --plain --no-legend 'build-*'"
BUILD = "/var/cache/samestack/mysite/build"


@pytest.fixture(scope="module")
def tested(app: App) -> str:
    """A release that has passed; returns what its deployment said."""
    files = {
        "mysite/urls.py": URLS, "requirements.txt": "Django==5.2.8\nredis==6.4.0\n",
        "requirements-dev.txt": "pytest\npytest-django\n",
    }  # fmt: skip
    app.put(files=files, **DECISIONS)
    app.provision()
    secrets = yaml.safe_load((app.clone.folder / ".samestack/secrets/staging.yml").read_text(encoding="utf-8"))
    probe = PROBE.format(secret=secrets["vault_app_secret_key"], address=app.machine.address)
    app.commit({"mysite/test_release.py": probe}, "v1")
    return app.samestack("deploy")


def last(app: App) -> dict[str, Any]:
    found: dict[str, Any] = app.team.ledger(app.kind)[-1]
    return found


def clean(app: App) -> None:
    """Nothing that tests have used is left: no unit, no file, nothing in the server that serves."""
    assert app.machine.run(UNITS) == ""
    deadline = time.monotonic() + 20
    while left := app.machine.run(f"ls {BUILD}").split():
        assert time.monotonic() < deadline, left
        time.sleep(0.5)
    assert app.machine.run(f"ls /srv/{app.machine.app}/shared/media") == ""
    assert app.machine.run(DATABASES).split() == ["mysite", "postgres", "template0", "template1"]


def test_its_very_bytes_pass(app: App, tested: str) -> None:
    assert "Tests passed: 2 commands of app_test_commands" in tested
    clean(app)
    line = last(app)
    assert (line["verb"], line["result"], line["tests"]["result"]) == ("deploy", "ok", "ok")
    assert "(tests passed)" in app.samestack("releases")
    # They have not changed it.
    assert json.loads(app.machine.run("cat /srv/mysite/current/tests.json"))["sha256"] == line["sha256"]
    assert "was changed" not in app.samestack("plan")


def test_what_has_passed_is_not_run_again(app: App, tested: str) -> None:
    assert tested
    assert "Tests passed" not in app.samestack("deploy")
    app.decide(app_test_commands=["python manage.py check"])
    assert "Tests passed: 1 command of" in app.samestack("deploy")
    # It serves already: a line of its own says it.
    assert [last(app)[name] for name in ("verb", "result")] == ["test", "ok"]
    app.decide(app_test_commands=DECISIONS["app_test_commands"])
    # The environment that they ran in is there still.
    began = time.monotonic()
    assert "Tests passed: 2 commands" in app.samestack("deploy")
    assert time.monotonic() - began < 120


def test_one_that_fails_goes_nowhere(app: App, tested: str) -> None:
    assert tested
    live = app.team.live(app.kind)
    app.commit({"mysite/test_more.py": FAILS}, "fails")
    said = app.refuses("deploy", ref="fails")
    assert "test_that_fails" in said
    assert "assert 'this' == 'that'" in said
    assert "--skip-tests" in said
    assert app.team.live(app.kind) == live
    line = last(app)
    assert (line["result"], line["tests"]["result"]) == ("failed", "failed")
    assert "test_that_fails" in line["reason"]
    assert "(failed)" in app.samestack("releases")
    clean(app)
    # Once more: a failure is no reason to let it go the next time.
    assert "test_that_fails" in app.refuses("deploy", ref="fails")


def test_a_reason_lets_it_go_and_is_kept(app: App, tested: str) -> None:
    assert tested
    assert "say why" in app.refuses("deploy", ref="fails", skip_tests=" ")
    app.samestack("deploy", ref="fails", skip_tests="the board says {{ so }}")
    assert last(app)["tests"] == {"result": "skipped", "reason": "the board says {{ so }}"}
    assert "(tests skipped)" in app.samestack("releases")
    # Without a reason, they are asked for again.
    assert "test_that_fails" in app.refuses("deploy", ref="fails")
    assert [last(app)[name] for name in ("verb", "result")] == ["test", "failed"]
    app.samestack("deploy", ref="v1")


def test_nothing_is_left_of_tests_that_are_killed(app: App, tested: str) -> None:
    assert tested
    app.commit({"mysite/slow.txt": "slow", "mysite/test_more.py": ""}, "slow")
    live = app.team.live(app.kind)
    app.decide(app_test_commands=["psql -h /run/postgresql -U mysite mysite -c 'CREATE TABLE x()' && sleep 1234"])
    with ThreadPoolExecutor() as pool:
        refused = pool.submit(app.refuses, "deploy", ref="slow")
        deadline = time.monotonic() + 240
        while not app.machine.host.run("pgrep -ax sleep | grep 1234").stdout:
            assert time.monotonic() < deadline, refused.result() if refused.done() else "they do not begin"
            time.sleep(1)
        assert app.machine.run(f"ls {BUILD}")
        # The module itself, and not what it waits for
        app.machine.run("kill -9 $(ps -o ppid= -p $(pgrep -x systemd-run))")
        refused.result()
        assert app.machine.run("pgrep -ax sleep | grep 1234")
    assert app.team.live(app.kind) == live
    app.decide(app_test_commands=DECISIONS["app_test_commands"])
    app.samestack("deploy", ref="slow")
    clean(app)
    assert app.machine.host.run("pgrep -ax sleep | grep 1234").stdout == ""


def test_live_code_is_tested_where_it_is(app: App, tested: str) -> None:
    """`./samestack app-test` types this; the owner of the database makes one for the tests, and may here alone."""
    assert tested
    owned = "SELECT rolcreatedb FROM pg_roles WHERE rolname = 'mysite_owner'"
    assert app.sql(owned) == "f"
    test = (
        "import os\n\nimport pytest\nfrom django.core.files.base import ContentFile\n"
        "from django.core.files.storage import default_storage\nfrom django.db import connection\n\n\n"
        "@pytest.mark.django_db\ndef test_live():\n    with connection.cursor() as cursor:\n"
        "        cursor.execute('SELECT current_database(), array_agg(extname) FROM pg_extension')\n"
        "        name, extensions = cursor.fetchone()\n    assert name == 'test_mysite'\n"
        "    assert {'unaccent', 'file_fdw'} <= set(extensions)\n"
        "    default_storage.save('of-a-test.txt', ContentFile(b'x'))\n"
    )
    app.write({"mysite/test_live.py": test, "mysite/test_release.py": "", "mysite/test_more.py": ""})
    app.decide(app_source={"type": "path", "path": str(app.folder)})
    app.decide("staging/differences.yml", app_live_path="/srv/live", app_debug=True)
    app.sync("/srv/live")
    app.provision()
    assert app.sql(owned) == "t"
    app.samestack("deploy")
    run = "mysite-manage --tests 'pytest -q -p no:cacheprovider'"
    assert "1 passed" in app.machine.run(f"{run} mysite/test_live.py </dev/null")
    refused = app.machine.host.run(f"{run} -k 'no such $(touch /tmp/pwned)' </dev/null")
    assert "no such $(touch /tmp/pwned)" in refused.stderr + refused.stdout
    assert app.machine.host.run("ls /tmp/pwned").rc != 0
    assert "Ran 0 tests" in app.machine.run("mysite-manage test </dev/null 2>&1")
    clean(app)
    assert app.machine.run("ls -d /tmp/mysite-media.* 2>/dev/null || true") == ""
