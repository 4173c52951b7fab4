"""An application that writes into its own folders, as many do: what it has written stays over releases and back."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.apps import SETTINGS

if TYPE_CHECKING:
    from tests.support.apps import App

MORE = """
import logging.config
import os

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "file": {"class": "logging.handlers.RotatingFileHandler", "filename": BASE_DIR / "logs" / "app.log",
                 "maxBytes": 100_000, "backupCount": 2}
    },
    "root": {"handlers": ["file"], "level": "INFO"},
}
# As Django does a little later; here while settings are imported
logging.config.dictConfig(LOGGING)
DATABASES["local"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "data" / "local.sqlite3"}
INDEX = os.path.join(os.environ["APP_DATA_PATH"], "index")
"""
URLS = """import logging
import pathlib

from django.conf import settings
from django.contrib.sessions.models import Session
from django.http import JsonResponse
from django.urls import path
from django.utils import timezone

DATA = settings.BASE_DIR / "data"


def count(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text((file.read_text() if file.exists() else "") + "x")
    return len(file.read_text())


def page(request):
    logging.getLogger("mysite").info("visited")
    rows = Session.objects.using("local")
    rows.create(session_key=f"visit-{rows.count()}", session_data="", expire_date=timezone.now())
    return JsonResponse({
        "version": VERSION,
        "home": count(pathlib.Path.home() / ".cache" / "mysite" / "visits"),
        "index": count(pathlib.Path(settings.INDEX) / "visits"),
        "data": count(DATA / "visits"),
        "rows": rows.count(),
        "seed": (DATA / "seed.txt").read_text(),
        "told": (DATA / "told.txt").read_text(),
    })


urlpatterns = [path("", page), path("health/", lambda request: JsonResponse({}))]
"""
CELERY = """from celery import Celery

app = Celery("mysite", broker="memory://")
"""
FILES = {
    "mysite/settings.py": SETTINGS + MORE,
    "mysite/urls.py": f"VERSION = 1\n{URLS}",
    "mysite/celery.py": CELERY,
    "requirements.txt": "Django\ncelery\n",
    "data/seed.txt": "of the commit",
    "logs/.gitkeep": "",
}
DECISIONS: dict[str, Any] = {
    "app_health_path": "/health/",
    "app_workers": {"beat": {"command": "celery -A mysite beat --schedule data/beat", "single": True}},
    "app_timers": {"tick": {"command": "echo tick >> data/ticks.txt", "schedule": "yearly"}},
    "app_release_commands": ["python manage.py migrate --database local"],
    "database_extensions": ["vector"],
    "app_after_migrate_commands": ["echo \"$(python manage.py shell -c 'print(1)' | tail -1)\" >> data/told.txt"],
}


def visit(app: App) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(app.browser().get("/").text)
    return found


def counted(found: dict[str, Any]) -> set[Any]:
    return {found[name] for name in ("home", "index", "data", "rows")}


def test_what_writes_into_the_release_is_told_where_it_may(app: App) -> None:
    app.put(files=FILES, **DECISIONS)
    app.provision()
    said = app.refuses("deploy")
    found = re.search(r"Set app_writable_paths: (\[[^\]]*\])", said)
    assert found, said
    assert yaml.safe_load(found[1]) == ["logs"]
    app.decide(app_writable_paths=[*yaml.safe_load(found[1]), "data"])
    assert "Run `./samestack provision` first" in app.refuses("deploy")
    app.provision()
    app.deploy()
    # Its own package was installed where the database is.
    assert app.sql("SELECT extname FROM pg_extension WHERE extname = 'vector'").strip() == "vector"


def test_it_stays_over_releases_and_back(app: App) -> None:
    name = app.machine.app
    assert counted(visit(app)) == {1}
    found = visit(app)
    assert (counted(found), found["seed"], found["told"]) == ({2}, "of the commit", "1\n")
    app.machine.run(f"systemctl start {name}-timer-tick.service")
    # The owner of the database, too, opens the log and changes what the application has made.
    app.manage("migrate", "--database", "local")
    app.deploy({"mysite/urls.py": f"VERSION = 2\n{URLS}", "data/seed.txt": "newer"})
    found = visit(app)
    assert (found["version"], counted(found), found["seed"], found["told"]) == (2, {3}, "of the commit", "1\n1\n")
    app.samestack("rollback")
    found = visit(app)
    assert (found["version"], counted(found)) == (1, {4})
    kept = f"/srv/{name}/shared/paths"
    assert app.machine.run(f"cat {kept}/data/ticks.txt") == "tick\n"
    assert app.machine.run(f"ls {kept}/data | grep -c ^beat").strip() != "0"
    assert app.machine.run(f"grep -c visited {kept}/logs/app.log").strip() == "4"
    # The build has read the settings, too: nothing that it logged is part of a release.
    assert app.machine.run(f"find -P /srv/{name}/releases -name '*.log'") == ""
    assert "was changed on this host" not in app.samestack("plan")


@pytest.mark.soak
def test_live_code_writes_beside_the_checkout(app: App) -> None:
    name, live = app.machine.app, "/srv/live-writing"
    app.put(files=FILES, **DECISIONS, app_writable_paths=["data", "logs", "new/deep"])
    app.decide(app_source={"type": "path", "path": str(app.folder)})
    app.decide("staging/differences.yml", app_live_path=live, app_debug=True)
    app.machine.run(f"rm -rf {live}; useradd --system checkout || true; install -d -o checkout -g checkout {live}")
    app.sync(live)
    app.machine.run(f"chown -R checkout:checkout {live}")
    before = app.machine.run(f"cd {live} && find . -type f | sort")
    app.provision()
    app.samestack("deploy")
    assert counted(visit(app)) == {1}
    found = visit(app)
    assert (counted(found), found["seed"], found["told"]) == ({2}, "of the commit", "1\n")
    app.machine.run(f"systemctl start {name}-timer-tick.service")
    app.manage("migrate", "--database", "local")
    assert counted(visit(app)) == {3}
    # What is written there starts no process anew, and the checkout has nothing of it but a folder that it lacked.
    assert app.machine.run(f"systemctl show --value --property NRestarts '{name}-web@*'").strip() == "0"
    assert f"reloading: {live}" not in app.logs()
    assert app.machine.run(f"cd {live} && find . -type f ! -name '*.pyc' | sort") == before
    assert app.machine.run(f"stat -c '%U %F' {live}/new/deep").strip() == "checkout directory"
    assert app.machine.run(f"cat /srv/{name}/shared/paths/data/ticks.txt") == "tick\n"
    app.decide("staging/differences.yml", app_live_path="", app_debug=False)
    app.machine.run(f"rm -rf {live}; userdel checkout")
