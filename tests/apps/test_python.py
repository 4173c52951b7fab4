"""An app runs on a Python that its release brings: from uv's own kind of list, with an archive that the test packs.

The archive holds the machine's own Python under another patch's version: what is fetched, compared, unpacked, sealed,
built with and served from is the real path, whatever the network has.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

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
PACK = """
cd /usr
minor=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
tar -c --dereference --transform 's,^,python/,' --exclude '*/__pycache__' --exclude '*/config-*' --exclude '*/test' \
    --exclude '*/sitecustomize.py' "bin/python$minor" "lib/python$minor" | gzip -1 | base64 -w 0
"""
PATCH = 99


def pack(app: App, folder: Path) -> tuple[str, str]:
    """Write an archive and the list that leads to it; returns the version and the digest."""
    machine = app.machine.facts
    minor = ".".join(machine["python"].split(".")[:2])
    version, architecture = f"{minor}.{PATCH}", machine["architecture"]
    path = folder / f"cpython-{version}-20261101-{architecture}-unknown-linux-gnu-install_only_stripped.tar.gz"
    path.write_bytes(base64.b64decode(app.machine.run(PACK)))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = {
        "name": "cpython", "arch": {"family": architecture, "variant": None}, "os": "linux", "libc": "gnu", "major": 3,
        "minor": int(minor.split(".")[1]), "patch": PATCH, "prerelease": "", "url": f"file://{path}", "sha256": digest,
        "variant": None, "build": "20261101",
    }  # fmt: skip
    listed = {f"cpython-{version}-linux-{architecture}-gnu": entry}
    (folder / "list.json").write_text(json.dumps(listed), encoding="utf-8")
    return version, digest


def recorded(app: App) -> dict[str, Any]:
    """Return section `python` of the machine's manifest, taken now."""
    app.machine.run("/usr/local/lib/samestack/record --cause asked")
    found = json.loads(app.machine.run("cat /var/lib/samestack/manifest.json"))
    section: dict[str, Any] = found["sections"]["python"]
    return section


def test_brought_along_and_taken_away(app: App, tmp_path: Path) -> None:
    version, digest = pack(app, tmp_path)
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
    assert (shown_by["version"], shown_by["changed"]) == (app.machine.facts["python"], [])
    assert str(shown_by["brought by the release"]).endswith(f"sha256:{digest}")
    app.machine.run(f"file=$(ls {home}/*/lib/python3*/this.py) && echo '# x' >> $file")
    assert "this.py (changed)" in str(recorded(app)["changed"])

    # Another release has the same copy, and nothing is to do when there is nothing new.
    before = app.machine.run(f"stat -c %i {home}")
    app.deploy({"note": "2"})
    assert app.machine.run(f"stat -c %i {home}") == before

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
