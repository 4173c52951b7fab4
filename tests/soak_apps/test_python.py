"""An app runs on a Python that its release brings: from uv's own kind of list, with an archive that the test packs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.pythons import pack

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.apps import App

URLS = """import os
import sys
from django.http import JsonResponse
from django.urls import path


def show(request):
    return JsonResponse({"base": sys.base_prefix, "writable": os.access(sys.base_prefix, os.W_OK)})


urlpatterns = [path("", show)]
"""


def recorded(app: App) -> dict[str, Any]:
    """Return section `python` of the machine's manifest, taken now."""
    app.machine.run("/usr/local/lib/samestack/record --cause asked")
    found = json.loads(app.machine.run("cat /var/lib/samestack/manifest.json"))
    section: dict[str, Any] = found["sections"]["python"]
    return section


def test_brought_along_and_taken_away(app: App, tmp_path: Path) -> None:
    version, digest = pack(app.machine, tmp_path)
    files = {"mysite/urls.py": URLS, ".python-version": f"{version}\n"}
    commands = ["python -c 'import sys; print(sys.base_prefix)' > built_with"]
    decided = {"app_python_downloads": str(tmp_path / "list.json"), "app_build_commands": commands, "release_keep": 1}
    app.start(files=files, **decided)
    home = f"/opt/samestack/python/{digest[:12]}"
    shown = app.browser().get("/").json()
    assert shown == {
        "base": f"{home}/cpython-{version}-linux-{app.machine.facts['architecture']}-gnu",
        "writable": False,
    }
    assert app.machine.run("cat /srv/mysite/current/app/built_with").strip() == shown["base"]
    assert f'sha256:{digest}"' in app.machine.run("cat /srv/mysite/current/release.json")
    # Nothing in it is anybody's but root's, and its library has byte-code that is not looked at again.
    assert app.machine.run(f"find {home} ! -user root -o ! -type l -perm /022").strip() == ""
    assert app.machine.run(f"find {home} -name 'os.cpython-*.pyc' | wc -l").strip() == "1"
    assert "System check identified no issues" in app.manage("check")
    # What is recorded for parity: which it is, and whether it is what was unpacked
    shown_by = recorded(app)
    assert (shown_by["app: version"], shown_by["app: changed"]) == (app.machine.facts["python"], [])
    assert str(shown_by["app: name"]).endswith(f"sha256:{digest}")
    app.machine.run(f"file=$(ls {home}/*/lib/python3*/this.py) && echo '# x' >> $file")
    assert "this.py (changed)" in str(recorded(app)["app: changed"])

    # What cannot be had is said in a sentence, and nothing is touched.
    live = app.team.live("staging")
    app.decide(app_python="3.12", app_python_downloads="", app_python_mirror="https://nowhere.invalid/pythons")
    for verb in ("plan", "deploy"):
        said = app.refuses(verb)
        assert "Python 3.12." in said
        assert "cannot be had from https://nowhere.invalid/pythons/" in said
        assert "app_python: host" in said
    assert app.team.live("staging") == live
    assert app.browser().get("/").json() == shown

    # Back to the machine's own: the copy goes with the last release that runs on it.
    app.decide(app_python="host", app_python_mirror="")
    app.deploy({"note": "3"})
    assert app.browser().get("/").json()["base"] == "/usr"
    app.machine.run(f"touch -d '2 hours ago' {home}.contents")
    app.deploy({"note": "4"})
    assert app.machine.run("ls /opt/samestack/python").split() == []
