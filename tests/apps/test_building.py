"""What a release is made of: all of the commit, packages that are no other release's, and what compiling needs."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.support.apps import App

VIEWS = """import shoplib
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse(shoplib.X))]
"""
LIBRARY = """[project]
name = "shoplib"
version = "1.0"
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[tool.setuptools]
packages = ["shoplib"]
"""
FILES = {
    "mysite/urls.py": VIEWS,
    "requirements.txt": "Django\nlibs/shoplib\n",
    "libs/shoplib/pyproject.toml": LIBRARY,
    "libs/shoplib/shoplib/__init__.py": 'X = "one"\n',
    ".gitattributes": "kept/* export-ignore\nversion.txt export-subst\n",
    "kept/a.txt": "kept",
    "version.txt": "$Format:%H$\n",
}
# None of them has a ready-made package for Linux.
COMPILED = "Django\nlibs/shoplib\npsycopg2\nmysqlclient\npython-ldap\n"


def test_a_release_is_all_of_its_commit_and_nothing_of_another(app: App) -> None:
    app.start(files=FILES)
    assert app.browser().get("/").text == "one"
    source = f"/srv/{app.machine.app}/current/source"
    # What git would leave out of an archive, and change in it
    assert app.machine.run(f"cat {source}/kept/a.txt {source}/version.txt") == "kept$Format:%H$\n"
    app.deploy({"libs/shoplib/shoplib/__init__.py": 'X = "two"\n'})
    assert app.browser().get("/").text == "two"
    said = app.samestack("plan")
    assert "shoplib (libs/shoplib of the source)" in said
    app.samestack("rollback")
    assert app.browser().get("/").text == "one"


@pytest.mark.soak
def test_a_source_that_was_cut_off_is_whole_after_the_same_command(app: App) -> None:
    name, folder = app.machine.app, app.clone.folder / ".samestack"
    release = app.deploy({"big.txt": "x" * 500_000})
    app.samestack("rollback")
    # Nothing is left of it but what a full disk would have left on the laptop.
    app.machine.run(f"rm -r /srv/{name}/releases/{release}")
    (folder / "releases" / f"{name}-{release}.tar.gz").unlink()
    archive = folder / "sources" / f"{name}-{release}.tar.gz"
    os.truncate(archive, archive.stat().st_size // 2)
    assert app.deploy() == release
    assert app.machine.run(f"stat -c %s /srv/{name}/current/source/big.txt").strip() == "500000"


@pytest.mark.soak
def test_what_compiling_needs_is_named_at_once_and_the_remedy_works(app: App) -> None:
    app.commit({"requirements.txt": COMPILED})
    said = app.refuses("deploy")
    assert all(name in said for name in ("mysqlclient", "psycopg2", "python-ldap")), said
    found = re.search(r"Set app_system_packages: (\[[^\]]*\])", said)
    assert found, said
    app.decide(app_system_packages=yaml.safe_load(found[1]))
    app.provision()
    app.deploy()
    assert app.browser().get("/").text == "two"
    python = f"/srv/{app.machine.app}/current/venv/bin/python"
    app.machine.run(f"{python} -c 'import MySQLdb, psycopg2, ldap'")
