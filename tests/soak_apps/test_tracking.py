"""The lines of docs/errors.md: what an app fails with, and how it answers, arrives at services of others."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.apps import SETTINGS
from tests.support.collector import PORT, Collector, envelope
from tests.support.machines import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.apps import App

PAGE = Path(__file__).resolve().parents[2] / "docs" / "errors.md"
HERE = {"address": "127.0.0.1", "port": PORT}
DSN = f"http://0123456789abcdef@127.0.0.1:{PORT}/7"
VIEWS = """
from django.http import HttpResponse
from django.urls import path

def pay(request):
    basket = {}
    return HttpResponse(basket["total"])

def traced(request):
    try:
        from newrelic.agent import current_transaction
    except ImportError:
        return HttpResponse("no agent")
    return HttpResponse(str(current_transaction() is not None))

urlpatterns = [path("", lambda request: HttpResponse("plain")), path("pay/", pay), path("traced/", traced)]
"""


def lines(service: str) -> dict[str, Any]:
    """Return what the page says to decide for a service; secrets are named there and given here."""
    (row,) = (line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {service}"))
    found: dict[str, Any] = {}
    for text in re.findall(r"`(\w+: [^`]+)`", row):
        found |= yaml.safe_load(text)
    return found


def settings() -> str:
    """Return settings with the lines that the page has for them."""
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return f"import os\n{SETTINGS}\n{code}"


@pytest.fixture
def collector(app: App) -> Iterator[Collector]:
    yield (found := Collector(app.machine))
    found.stop()


def test_sentry_s_protocol(app: App, collector: Collector) -> None:
    decided = lines("Sentry")
    decided["app_env"] |= dict.fromkeys(decided.pop("app_secret_env"), DSN)
    requirements = "Django==5.2.8\nsentry-sdk==2.75.0\n"
    files = {"mysite/urls.py": VIEWS, "mysite/settings.py": settings(), "requirements.txt": requirements}
    release = app.start("plain", files, **decided)
    collector.start()
    # Nobody has said that it may reach this.
    assert app.browser().get("/pay/").status == 500
    time.sleep(3)
    assert collector.got == []
    app.decide(app_may_reach=[HERE])
    app.provision()
    assert app.browser().get("/pay/").status == 500
    got = collector.wait("/api/7/envelope/")
    assert "sentry_key=0123456789abcdef" in got[0]["headers"]["x-sentry-auth"]
    events = [body for one in got for header, body in envelope(one["body"]) if header["type"] == "event"]
    (event,) = events
    (exception,) = event["exception"]["values"]
    assert (exception["type"], exception["value"]) == ("KeyError", "'total'")
    frame = exception["stacktrace"]["frames"][-1]
    assert (frame["function"], frame["in_app"]) == ("pay", True)
    assert event["release"] == release
    assert event["environment"] == "staging"
    assert event["request"]["url"].endswith("/pay/")
    # The machine has seen it as well.
    assert "KeyError: 'total'" in app.logs()


def test_opentelemetry_s_wrapper(app: App, collector: Collector) -> None:
    packages = ["distro", "exporter-otlp-proto-http", "instrumentation-django"]
    requirements = "".join(f"opentelemetry-{name}\n" for name in packages)
    decided = lines("OpenTelemetry")
    decided["app_env"] |= dict.fromkeys(decided.pop("app_secret_env"), "x-token=0123456789")
    decided["app_env"]["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{PORT}"
    files = {"mysite/urls.py": VIEWS, "requirements.txt": f"Django==5.2.8\n{requirements}"}
    app.start("plain", files, app_may_reach=[HERE], **decided)
    collector.start()
    assert app.browser().get("/pay/").status == 500
    (one, *_) = collector.wait("/v1/traces")
    assert one["headers"]["x-token"] == "0123456789"
    assert "pay/" in one["body"]
    assert "mysite" in one["body"]
    assert "KeyError" in one["body"]


@pytest.mark.parametrize("server", ["gunicorn", "granian"])
def test_new_relic_s_wrapper(app: App, server: str) -> None:
    """In its developer mode the agent does all that it does, and talks to nobody."""
    decided = lines("New Relic")
    decided["app_env"] |= dict.fromkeys(decided.pop("app_secret_env"), "0" * 40)
    decided["app_env"]["NEW_RELIC_DEVELOPER_MODE"] = "true"
    wrapper = decided.pop("web_wrapper")
    files = {"mysite/urls.py": VIEWS, "requirements.txt": "Django==5.2.8\nnewrelic==14.1.0\n"}
    app.start("plain", files, app_server=server, **decided)
    assert app.browser().get("/traced/").text == "False"
    app.decide(web_wrapper=wrapper)
    app.provision()
    # The first request of a process has the agent begin.
    wait_for("a traced request", lambda: app.browser().get("/traced/").text == "True", 30)
