"""What a project is developed with is found, and installed where live code is served; releases never have it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from plugins.action.release_source import prepare
from plugins.module_utils.release.files import live_code
from plugins.module_utils.release.install import chosen, commands
from plugins.module_utils.release.place import LIVE_CODE, Place
from plugins.plugin_utils.project.detect import Given, detect
from plugins.plugin_utils.project.packages import Development
from tests.support.shapes.skeleton import startproject, tree
from tests.unit.test_project import PINS, UV_LOCK, UV_PROJECT

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = {"os": "debian", "release": "13", "architecture": "x86_64", "python": "3.13.5"}
POETRY = '[[package]]\nname = "django"\nversion = "5.2"\ngroups = ["main"]\n'
PLAIN = '[project]\nname = "x"\nversion = "1"\ndependencies = ["django"]\n'
LINT = "[dependency-groups]\ndev = []\nlint = []\ndocs = []\n[tool.uv]\ndefault-groups = ['dev', 'lint']\n"
ALL = "[dependency-groups]\na = []\nb = []\n[tool.uv]\ndefault-groups = 'all'\n"
GROUPS = "[tool.poetry.group.dev.dependencies]\nx = '*'\n[tool.poetry.group.docs.dependencies]\ny = '*'\n"
EXTRAS = "[project.optional-dependencies]\ndev = ['x']\ndocs = ['y']\n"


def found(folder: Path, files: dict[str, str], *without: str) -> Development:
    whole = {name: text for name, text in {**startproject(), **files}.items() if name not in without}
    return detect(tree(folder, whole), Given(), PINS).packages.development


@pytest.mark.parametrize(
    ("files", "extras", "groups", "listed"),
    [
        ({"uv.lock": UV_LOCK, "pyproject.toml": UV_PROJECT}, [], ["dev"], []),
        ({"uv.lock": UV_LOCK, "pyproject.toml": PLAIN + "[tool.uv]\ndev-dependencies = ['x']\n"}, [], ["dev"], []),
        ({"uv.lock": UV_LOCK, "pyproject.toml": PLAIN + LINT}, [], ["dev", "lint"], []),
        ({"uv.lock": UV_LOCK, "pyproject.toml": PLAIN + ALL}, [], ["a", "b"], []),
        ({"pyproject.toml": PLAIN + EXTRAS}, ["dev"], [], []),
        ({"pyproject.toml": PLAIN + "[dependency-groups]\ndev = ['x']\n"}, [], ["dev"], []),
        ({"poetry.lock": POETRY, "pyproject.toml": GROUPS}, [], ["dev"], []),
        ({"poetry.lock": POETRY, "pyproject.toml": "[tool.poetry.dev-dependencies]\nx = '*'\n"}, [], ["dev"], []),
        ({"Pipfile.lock": json.dumps({"default": {}, "develop": {}}), "Pipfile": ""}, [], ["develop"], []),
        ({"pylock.toml": "packages = []\n", "pylock.dev.toml": ""}, [], [], ["pylock.dev.toml"]),
    ],
)
def test_groups_of_each_kind(
    tmp_path: Path, files: dict[str, str], extras: list[str], groups: list[str], listed: list[str]
) -> None:
    assert found(tmp_path, files, "requirements.txt") == Development(extras, groups, listed)


@pytest.mark.parametrize(
    ("first", "name"),
    [
        ("requirements.txt", "requirements-dev.txt"),
        ("requirements.txt", "dev-requirements.txt"),
        ("requirements.txt", "requirements_local.txt"),
        ("requirements.txt", "requirements.dev.txt"),
        ("requirements/base.txt", "requirements/local.txt"),
        ("requirements/production.txt", "requirements/dev.txt"),
        ("requirements.txt", "requirements/development.txt"),
    ],
)
def test_files_of_requirements(tmp_path: Path, first: str, name: str) -> None:
    files = {first: "Django==5.2\n", name: "django-debug-toolbar\n"}
    without = ["requirements.txt"] if first != "requirements.txt" else []
    assert found(tmp_path, files, *without).files == [name]


def test_none_where_there_are_none(tmp_path: Path) -> None:
    assert found(tmp_path, {"requirements/docs.txt": "sphinx\n"}) == Development()


def test_what_a_project_is_tested_with_comes_beside_it(tmp_path: Path) -> None:
    both = {"requirements-dev.txt": "django-debug-toolbar\n", "requirements/test.txt": "pytest\n"}
    assert found(tmp_path, both).files == ["requirements-dev.txt", "requirements/test.txt"]
    grouped = PLAIN + "[dependency-groups]\ntest = ['pytest']\ndocs = ['sphinx']\n"
    assert found(tmp_path / "b", {"uv.lock": UV_LOCK, "pyproject.toml": grouped}, "requirements.txt").groups == ["test"]


def test_tests_of_a_release_have_an_environment_of_their_own(tmp_path: Path) -> None:
    tree(tmp_path / "app", {**startproject(), "requirements-dev.txt": "pytest\n"})
    commands = ["pytest"]
    plain, tested = release(tmp_path), release(tmp_path, test_commands=commands)
    assert plain["tests"] == {}
    assert tested["tests"]["development"]["files"] == ["requirements-dev.txt"]
    # Neither the release nor what it serves from is another one for them.
    assert (tested["id"], tested["vid"]) == (plain["id"], plain["vid"])
    assert tested["tests"]["vid"] != tested["vid"]
    # It is made for the packages, not for the code: releases share it.
    (tmp_path / "app/mysite/urls.py").write_text("urlpatterns = [1]\n")
    assert release(tmp_path, test_commands=commands)["tests"] == tested["tests"]
    (tmp_path / "app/requirements-dev.txt").write_text("pytest\npytest-django\n")
    assert release(tmp_path, test_commands=commands)["tests"]["vid"] != tested["tests"]["vid"]
    # Without anything to develop with, tests run with the release's own packages.
    assert release(tmp_path, test_commands=commands, dev_packages=False)["tests"]["vid"] == tested["vid"]
    assert release(tmp_path, live="/srv/live", test_commands=commands)["tests"] == {}


def release(folder: Path, live: str = "", **more: Any) -> dict[str, Any]:
    source = {"type": "path", "path": "app"}
    asked = {"app": "shop", "source": source, "machine": MACHINE, "pins": PINS, "live_path": live}
    return prepare({**asked, **more}, folder)


def test_live_code_alone_has_them(tmp_path: Path) -> None:
    files = {**startproject(), "requirements-dev.txt": "django-debug-toolbar\n"}
    tree(tmp_path / "app", files)
    real, live = release(tmp_path), release(tmp_path, live="/srv/live")
    assert real["development"] == asdict(Development())
    assert live["development"]["files"] == ["requirements-dev.txt"]
    assert release(tmp_path, live="/srv/live", dev_packages=False)["development"] == asdict(Development())
    # A release is named after what it has, and live code's environment after what that has.
    assert "development" not in real["inputs"]
    assert real["vid"] != live["vid"]
    (tmp_path / "app/requirements-dev.txt").write_text("django-debug-toolbar\ndjango-extensions\n")
    assert release(tmp_path)["vid"] == real["vid"]
    assert release(tmp_path, live="/srv/live")["vid"] != live["vid"]
    # What is edited all day is no other environment.
    again = release(tmp_path, live="/srv/live")["vid"]
    (tmp_path / "app/mysite/urls.py").write_text("urlpatterns = [1]\n")
    assert release(tmp_path, live="/srv/live")["vid"] == again


def test_how_they_are_installed() -> None:
    def of(kind: str, file: str, **development: list[str]) -> list[list[str]]:
        packages = {"kind": kind, "file": file, "extras": [], "groups": [], "unpinned": {}}
        given = {"packages": packages, "requirements": ["gunicorn==27.0.1"], "development": development}
        return commands(given, "/srv/source", file, live=bool(development))

    assert of("requirements", "base.txt", files=["requirements/local.txt"]) == [
        ["pip", "install", "-r", "base.txt", "-r", "/srv/source/requirements/local.txt", "gunicorn==27.0.1"]
    ]
    assert of("pylock", "pylock.toml", files=["pylock.dev.toml"]) == [
        ["pip", "install", "-r", "pylock.toml"],
        ["pip", "install", "-r", "/srv/source/pylock.dev.toml"],
        ["pip", "install", "gunicorn==27.0.1"],
    ]
    whole, added = of("uv", "uv.lock", groups=["dev"], extras=["debug"])
    plain = ["sync", "--locked", "--no-default-groups", "--no-install-project"]
    assert whole == [*plain, "--extra", "debug", "--group", "dev"]
    assert added == ["pip", "install", "gunicorn==27.0.1"]
    assert of("pyproject", "pyproject.toml", groups=["dev"])[0][4:6] == ["--group", "dev"]
    assert of("pyproject", "pyproject.toml", groups=["dev"])[0][2:4] == ["-r", "pyproject.toml"]
    alone = {"kind": "pyproject", "file": "pyproject.toml", "extras": [], "groups": ["main"], "unpinned": {}}
    given = {"packages": alone, "requirements": ["gunicorn==27.0.1"]}
    assert commands(given, "/srv/source", "pyproject.toml", live=False) == [
        ["pip", "install", "--group", "main", "gunicorn==27.0.1"]
    ]
    # Without any, as a release has it
    assert of("uv", "uv.lock")[0] == [*plain, "--no-editable"]
    assert chosen({"packages": {"extras": ["prod"], "groups": []}}) == (["prod"], [])


def test_what_does_not_work_is_taken_back(tmp_path: Path) -> None:
    place = Place(str(tmp_path), LIVE_CODE)
    for vid in "ab":
        (tmp_path / "venvs" / vid).mkdir(parents=True)
    (tmp_path / "releases/live-code").mkdir(parents=True)

    def write(vid: str) -> None:
        link = tmp_path / "releases/live-code/venv"
        link.unlink(missing_ok=True)
        link.symlink_to(f"../../venvs/{vid}")
        for name in live_code.FILES:
            (tmp_path / "releases/live-code" / name).write_text(json.dumps({"of": vid}))

    def is_of() -> set[str]:
        names = {json.loads((tmp_path / "releases/live-code" / name).read_text())["of"] for name in live_code.FILES}
        return {*names, (tmp_path / "releases/live-code/venv").readlink().name}

    live_code.keep(place)
    assert not (tmp_path / "releases/live-code/before.json").exists()
    assert not live_code.put_back(place)
    write("a")
    live_code.keep(place)
    write("b")
    # A second attempt that comes no further: what served is still what is kept.
    live_code.keep(place)
    assert live_code.put_back(place)
    assert is_of() == {"a"}
    live_code.keep(place)
    write("b")
    live_code.settle(place)
    assert not live_code.put_back(place)
    assert is_of() == {"b"}
