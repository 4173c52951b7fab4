"""The live release, its packages, and what its own Python says."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.manifest.reading.live import Live
from plugins.module_utils.manifest.reading.machine import MissingError
from plugins.module_utils.manifest.sections import django
from plugins.module_utils.manifest.sections.release import collect as release
from plugins.module_utils.manifest.sections.venv import collect as venv
from plugins.module_utils.manifest.sections.venv import name_and_version, recorded
from plugins.module_utils.release.files import contents
from plugins.module_utils.release.inside import inside_answer, inside_source
from tests.support.paper_host import PaperHost

if TYPE_CHECKING:
    from pathlib import Path

ID, VID = "1d420fac9eae", "6da8a2431477"
RELEASE, VENV = f"/srv/noticeboard/releases/{ID}", f"/srv/noticeboard/venvs/{VID}"
PACKAGES = f"{VENV}/lib/python3.13/site-packages"


@pytest.fixture
def host(tmp_path: Path) -> PaperHost:
    """A host with a sealed release."""
    host = PaperHost(tmp_path)
    host.write(f"{RELEASE}/source/board/urls.py", "urls = []\n")
    host.write(f"{PACKAGES}/idna/core.py", "x = 1\n")
    host.write(
        f"{PACKAGES}/idna-3.11.dist-info/METADATA", "Metadata-Version: 2.4\nName: Idna\nVersion: 3.11\n\nName: no\n"
    )
    host.write(f"{PACKAGES}/idna-3.11.dist-info/RECORD", "idna/core.py,sha256=x,6\nidna-3.11.dist-info/METADATA,,\n")
    root = tmp_path / RELEASE.lstrip("/")
    (root / "venv").symlink_to(f"../../venvs/{VID}")
    packages = contents.Contents(contents.read_tree(str(tmp_path / VENV.lstrip("/"))))
    (tmp_path / f"{VENV.lstrip('/')}.contents").write_text(packages.text)
    host.write(f"{RELEASE}/release.json", '{"inputs": {"server": "gunicorn"}}')
    listed = contents.Contents(contents.read_tree(str(root), contents.BESIDE), (VID, packages.sha256))
    host.write(f"{RELEASE}/contents", listed.text)
    host.write(f"{RELEASE}/build.json", json.dumps({"sha256": listed.sha256, "vid": VID, "label": "v1"}))
    (tmp_path / "srv/noticeboard/current").symlink_to(f"releases/{ID}")
    return host


def test_an_untouched_release(host: PaperHost) -> None:
    section = release(host, Live(host))
    assert (section["id"], section["label"], section["environment of packages"]) == (ID, "v1", VID)
    assert section["changed"] == []
    assert section["live code"] is False


def test_every_byte_counts(host: PaperHost) -> None:
    host.write(f"{RELEASE}/source/board/urls.py", "urls = [1]\n")
    host.write(f"{RELEASE}/source/board/added.py", "")
    (host.folder / f"{PACKAGES.lstrip('/')}/idna/core.py").unlink()
    assert release(host, Live(host))["changed"] == [
        "source/board/added.py (added)",
        "source/board/urls.py (changed)",
        "venv/lib/python3.13/site-packages/idna/core.py (missing)",
    ]


def test_another_environment_behind_the_link_is_seen(host: PaperHost) -> None:
    link = host.folder / f"{RELEASE.lstrip('/')}/venv"
    link.unlink()
    (host.folder / "srv/noticeboard/venvs/other").mkdir()
    link.symlink_to("../../venvs/other")
    assert "venv (changed)" in str(release(host, Live(host))["changed"])


def test_without_a_release_it_says_so(tmp_path: Path) -> None:
    host = PaperHost(tmp_path)
    for collector in (release, venv, django.settings):
        with pytest.raises(MissingError, match="no release is live"):
            collector(host, Live(host))


def test_live_code_is_its_owners(host: PaperHost, tmp_path: Path) -> None:
    source = host.folder / f"{RELEASE.lstrip('/')}/source"
    source.rename(tmp_path / "checkout")
    source.symlink_to(tmp_path / "checkout")
    section = release(host, Live(host))
    assert (section["live code"], section["changed"], section["digest"]) == (True, [], "")


def test_distributions_with_their_digests(host: PaperHost) -> None:
    before = venv(host, Live(host))
    assert str(before["idna"]).startswith("3.11 sha256:")
    assert before["(of no distribution)"] == []
    host.write(f"{PACKAGES}/idna/core.py", "x = 2\n")
    host.write(f"{PACKAGES}/planted.pth", "import os\n")
    after = venv(host, Live(host))
    assert after["idna"] != before["idna"]
    assert after["(of no distribution)"] == ["lib/python3.13/site-packages/planted.pth"]


def test_what_an_installer_notes_is_no_difference(host: PaperHost) -> None:
    before = venv(host, Live(host))
    host.write(f"{PACKAGES}/idna-3.11.dist-info/INSTALLER", "uv")
    host.write(f"{PACKAGES}/idna/__pycache__/core.cpython-313.pyc", "x")
    assert venv(host, Live(host)) == before


def test_names_of_distributions() -> None:
    assert name_and_version("Name: Django_Environ\nVersion: 0.14.0\n\nVersion: 9\n") == ("django-environ", "0.14.0")
    assert recorded('a.py,sha256=x,1\n"b,c.py",,\n') == ["a.py", "b,c.py"]


def test_settings_are_asked_for_again_only_after_a_change(host: PaperHost, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ask(_host: object, _live: object) -> dict[str, Any]:
        asked.append(1)
        return {"settings": {"DEBUG": False}, "django": "5.2", "gunicorn": {"workers": 3, "version": "23.0.0"}}

    monkeypatch.setattr(django, "ask", ask)
    host.answers = {"systemctl show": ""}
    for _ in range(2):
        assert django.settings(host, Live(host)) == {"(Django)": "5.2", "DEBUG": False}
        host.cache._findings = host.cache._used_findings
    assert django.gunicorn(host, Live(host))["workers"] == 3
    assert len(asked) == 1
    host.write("/etc/noticeboard/env", 'DEBUG="true"\n')
    django.settings(host, Live(host))
    host.write(f"{RELEASE}/source/board/urls.py", "urls = [1]\n")
    django.settings(host, Live(host))
    assert len(asked) == 3


def test_settings_name_the_live_release_and_known_secrets(host: PaperHost) -> None:
    live = Live(host)
    host.secrets.learn("SECRET_KEY", "planted-secret")
    found = django.value_of(host, live, "STATIC_ROOT", f"{live.place.root}/releases/{ID}/static")
    assert found == f"{live.place.root}/current/static"
    assert django.value_of(host, live, "X", ["planted-secret", "a"]) == ["<SECRET_KEY>", "a"]
    assert django.value_of(host, live, "MAIL_PASSWORD", "other").startswith("hmac:")
    assert django.value_of(host, live, "PIN_TOKEN", 1234).startswith("hmac:")
    assert django.value_of(host, live, "PIN_TOKEN", None) is None


def test_no_secret_is_kept_of_an_answer(host: PaperHost) -> None:
    answer = {
        "settings": {"SECRET_KEY": "planted-key", "SERVERS.0.PASSWORD": "planted", "URL": "redis://:planted@h/0"},
        "django": "5.2",
        "trouble": "planted-key is no port",
    }
    line = "SAMESTACK " + json.dumps(answer)
    host.answers["systemd-run"] = line
    host.secrets.learn("SECRET_KEY", "planted-key")
    django.settings(host, Live(host))
    assert "<SECRET_KEY>" in host.cache._used_findings["django"][1]["settings"].values()
    assert "planted" not in str(host.cache._used_findings)


def test_a_release_of_another_server_has_no_gunicorn(host: PaperHost) -> None:
    host.write(f"{RELEASE}/release.json", '{"inputs": {"server": "granian"}}')
    with pytest.raises(MissingError, match="granian"):
        django.gunicorn(host, Live(host))


SETTINGS = """
import datetime, os, re
class Thing: pass
DEBUG = True
SECRET_KEY = "x"
ROOT_URLCONF = "u"
SETS = {"b", "a", "c"}
NESTED = {"one": {"two": (1, 2)}, "empty": {}}
THING = Thing()
FUNCTION = os.path.join
AGE = datetime.timedelta(days=1)
SERVERS = [{"NAME": "a", "PASSWORD": "planted"}, {"NAME": "b", "OPTIONS": {"token": "planted"}}]
"""


def test_settings_are_the_same_text_in_every_process(tmp_path: Path) -> None:
    """The program runs in a Python that has Django and nothing of ours."""
    (tmp_path / "own.py").write_text(SETTINGS)
    (tmp_path / "manage.py").write_text("import django; django.setup()\n")
    program = inside_source("settings.describe", {"gunicorn": ""})
    answers = []
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-"], input=program, capture_output=True, text=True, check=True, cwd=tmp_path,
            env={"DJANGO_SETTINGS_MODULE": "own", "PYTHONPATH": str(tmp_path), "PYTHONHASHSEED": seed},
        )  # fmt: skip
        answers.append(inside_answer(done.stdout))
    assert answers[0] == answers[1]
    found = (answers[0] or {})["settings"]
    assert found["SETS"] == ["a", "b", "c"]
    assert found["NESTED.one.two"] == ["1", "2"]
    assert {name for name, one in found.items() if one == "planted"} == {
        "SERVERS.0.PASSWORD",
        "SERVERS.1.OPTIONS.token",
    }
    assert found["NESTED.empty"] == "{}"
    assert found["THING"] == "<own.Thing>"
    assert found["FUNCTION"] == "posixpath.join"
    assert found["AGE"] == "1 day, 0:00:00"
    assert "0x" not in str(found)
