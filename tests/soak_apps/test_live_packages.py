"""Live code has what the project is developed with, and a change of packages that does not work changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.apps import App

URLS = """import sys
from importlib.metadata import distributions  # what is installed, as the application sees it

import idna
from django.http import JsonResponse
from django.urls import path


def show(request):
    names = [one.name for one in distributions()]
    return JsonResponse({"prefix": sys.prefix, "names": names, "idna": idna.__version__})


urlpatterns = [path("", show)]
"""
PLAIN = "Django==5.2.8\nidna==3.10\n"
LIVE = "/srv/live"
RESTART = """
systemctl restart 'mysite-web@*'
timeout 30 sh -c 'until python3 -c "
import socket; socket.socket(socket.AF_UNIX).connect(\\"/run/mysite/live.sock\\")"; do
    sleep 0.2
done'
"""


def test_packages_of_live_code(app: App) -> None:
    app.put(
        files={"mysite/urls.py": URLS, "requirements.txt": PLAIN, "requirements-dev.txt": "sqlparse\nsix==1.17.0\n"}
    )
    app.decide(app_source={"type": "path", "path": str(app.folder)})
    app.decide("staging/differences.yml", app_live_path=LIVE, app_debug=True)
    app.sync(LIVE)
    app.provision()
    app.samestack("deploy")
    first = app.browser().get("/").json()
    assert "six" in first["names"]

    def still_serves() -> None:
        """The same as before, also by processes that start now."""
        assert app.browser().get("/").json() == first
        app.machine.run(RESTART)
        assert app.browser().get("/").json() == first

    # What cannot be installed
    app.sync(LIVE, {"requirements.txt": PLAIN + "no-such-package-of-anybody==1.0\n"})
    said = app.refuses("deploy")
    assert "no-such-package-of-anybody" in said
    assert "app_dev_packages: false" in said
    still_serves()
    # What is installed, and the app does not start with
    app.sync(LIVE, {"requirements.txt": "Django==5.2.8\n"})
    assert "No module named 'idna'" in app.refuses("deploy")
    still_serves()
    # What works takes its place, and the one before goes.
    app.sync(LIVE, {"requirements.txt": PLAIN.replace("3.10", "3.11")})
    app.samestack("deploy")
    then = app.browser().get("/").json()
    assert (then["idna"], first["idna"]) == ("3.11", "3.10")
    assert app.machine.run("ls -d /srv/mysite/venvs/*/").split() == [f"{then['prefix']}/"]
