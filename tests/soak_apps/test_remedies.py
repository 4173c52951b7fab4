"""What a failed deployment says to set, typed as it stands, until the application serves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.apps import SETTINGS

if TYPE_CHECKING:
    from tests.support.apps import App

AUTHORITIES = sorted(map(str, Path("/usr/local/share/ca-certificates").glob("*.crt")))
MORE = """
import locale

import pkg_resources

locale.setlocale(locale.LC_ALL, "de_AT.UTF-8")
"""
FILES = {
    "mysite/settings.py": SETTINGS + MORE,
    "mysite/locale/de/LC_MESSAGES/django.po": 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n',
}
STACKS = Path(__file__).resolve().parents[2] / "docs" / "stacks.md"
REMEDY = re.compile(r"Set (\w+): (\[[^\]]*\])")


def test_remedies_one_after_the_other(app: App) -> None:
    app.put(files=FILES, app_build_commands=["python manage.py compilemessages"])
    decided: dict[str, Any] = {}
    app.provision()
    typed = []
    for _ in range(3):
        said = app.refuses("deploy")
        found = REMEDY.search(said)
        assert found, said
        name, more = found[1], yaml.safe_load(found[2])
        typed.append((name, *more))
        decided[name] = [*decided.get(name, []), *more]
        app.decide(**decided)
        if name == "app_system_packages":
            app.provision()
    assert typed == [
        ("app_extra_requirements", "setuptools<81"),
        ("app_system_packages", "locales-all"),
        ("app_system_packages", "gettext"),
    ]
    app.deploy()
    assert app.browser().get("/").text == "plain"
    assert app.machine.run(f"find -L /srv/{app.machine.app}/current/source -name django.mo") != ""


def test_pages_that_want_what_a_command_of_the_build_makes(app: App) -> None:
    """django-compressor, whose page fails without its manifest."""
    app.put("compressor")
    app.provision()
    said = app.refuses("deploy")
    assert "missing from offline manifest" in said
    found = REMEDY.search(said)
    assert found, said
    name, value = found[1], yaml.safe_load(found[2])
    assert f"`{name}: [{', '.join(value)}]`" in STACKS.read_text(encoding="utf-8")
    app.decide(**{name: value})
    app.deploy()
    sheet = re.search(r'href="(/static/CACHE/[^"]+\.css)"', app.browser().get("/").text)
    assert sheet, app.browser().get("/").text
    assert app.browser().get(sheet[1]).text == "body{margin:0}"


def test_an_authority_of_the_network_that_is_named_after_the_first_failure(app: App) -> None:
    if not AUTHORITIES:
        # This network looks into nothing: there is no authority to name.
        assert app.deploy()
        return
    app.decide("rehearsal/differences.yml", machine_trusted_ca_files=[])
    app.machine.run(
        "rm -f /usr/local/share/ca-certificates/*.crt; update-ca-certificates --fresh >/dev/null 2>&1"
        f"; rm -rf /var/cache/samestack/{app.machine.app}/uv"
    )
    app.commit({"requirements.txt": "Django\nsqlparse==0.5.1\n"})
    said = app.refuses("deploy")
    assert "name its certificate in machine_trusted_ca_files" in said, said
    app.decide("rehearsal/differences.yml", machine_trusted_ca_files=AUTHORITIES)
    app.provision()
    app.deploy()
    assert app.browser().get("/").text == "plain"
