"""What `startproject` makes runs as it stands: settings that know nothing of servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.apps import App

V2 = """from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse("second"))]
"""


def test_there_and_back(app: App) -> None:
    first = app.start()
    assert app.browser().get("/").text == "plain"
    assert app.deploy({"mysite/urls.py": V2}) != first
    assert app.browser().get("/").text == "second"
    app.samestack("rollback")
    assert app.browser().get("/").text == "plain"
    assert "no issues" in app.manage("check")
