"""What a request fails with is in the journal, wherever the project's LOGGING leads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FILES = Path(__file__).parents[2] / "roles" / "django" / "files"
PROJECT = """
import json, os
class Wants:
    def filter(self, record):
        return record.request is not None and record.status_code == 500
class WantsMore:
    def filter(self, record):
        return record.nobody_has_it
from django.conf import settings
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], LOGGING=json.loads(os.environ["LOGGING"]))
import django
django.setup()
from django.core.wsgi import get_wsgi_application
from django.urls import path
def fails(request):
    return 1 / 0
urlpatterns = [path("", fails)]
application = get_wsgi_application()
"""
ASK = """
from wsgiref.util import setup_testing_defaults
from samestack_serve import application
environ = {}
setup_testing_defaults(environ)
statuses = []
list(application(environ, lambda status, headers: statuses.append(status)))
assert statuses == ["500 Internal Server Error"]
"""
ELSEWHERE = {"class": "logging.handlers.MemoryHandler", "capacity": 100}
HERE = {"class": "logging.StreamHandler"}
LOGGINGS = {
    "Django's own": {},
    "elsewhere": {"handlers": {"a": ELSEWHERE}, "loggers": {"django.request": {"handlers": ["a"]}}},
    "here": {"handlers": {"a": HERE}, "loggers": {"django.request": {"handlers": ["a"], "propagate": False}}},
    "here, by the root": {"handlers": {"a": HERE}, "root": {"handlers": ["a"]}},
    "here, and not errors": {
        "handlers": {"a": {**HERE, "level": "CRITICAL"}},
        "loggers": {"django.request": {"handlers": ["a"], "propagate": False}},
    },
    "here, by a filter that looks at the request": {
        "filters": {"wants": {"()": "project.Wants"}},
        "handlers": {"a": {**HERE, "filters": ["wants"]}},
        "root": {"handlers": ["a"]},
    },
    "elsewhere, by a filter that fails": {
        "filters": {"wants": {"()": "project.WantsMore"}},
        "handlers": {"a": {**ELSEWHERE, "filters": []}, "b": {**HERE, "level": "CRITICAL", "filters": ["wants"]}},
        "root": {"handlers": ["a", "b"]},
    },
    "nowhere": {"loggers": {"django.request": {"level": "CRITICAL"}}},
}


@pytest.mark.parametrize("logging", LOGGINGS.values(), ids=LOGGINGS)
def test_what_a_request_fails_with_is_written_once(logging: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "project.py").write_text(PROJECT, encoding="utf-8")
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": f"{FILES}:{tmp_path}", "SAMESTACK_REQUEST_TIMEOUT": "30",
        "SAMESTACK_APPLICATION": "project:application",
        "LOGGING": json.dumps({"version": 1, "disable_existing_loggers": False, **logging}),
    }  # fmt: skip
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("ZeroDivisionError: division by zero") == 1, done.stderr
    assert "in fails" in done.stderr
