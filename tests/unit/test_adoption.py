"""What `samestack init` reads in projects of the shapes that people have (tests/support/shapes)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from plugins.plugin_utils.adoption import adopt, writing
from plugins.plugin_utils.adoption.declared import plain
from plugins.plugin_utils.adoption.processes import calendar
from plugins.plugin_utils.errors import DecisionError
from tests.support.shapes import SHAPES
from tests.support.shapes.skeleton import URLS, project, tree, without

if TYPE_CHECKING:
    from pathlib import Path

    from plugins.plugin_utils.adoption.adopt import Adoption


def read(folder: Path, files: dict[str, str]) -> Adoption:
    asked: list[list[str]] = []

    def ask(_question: str, choices: list[str], best: str) -> str:
        asked.append(choices)
        return best

    found = adopt.adopt(tree(folder / "mysite", files), ask)
    assert len(asked) <= 2, "and the domain is the third"
    return found


def test_the_corpus_is_large() -> None:
    assert len(SHAPES) >= 30


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(tmp_path: Path, shape: str) -> None:
    files, decided, problems = SHAPES[shape]
    found = read(tmp_path, files)
    for name, value in decided.items():
        assert found.decisions.get(name) == value, "\n".join(writing.report(found))
    assert sorted(one.what for one in found.problems) == sorted(problems)
    # What is not asked for here is not invented either.
    invented = found.decisions.keys() - decided.keys() - {"app_health_path", "app_redis", "app_env", "app_timers"}
    assert not invented, "\n".join(writing.report(found))
    for finding in found.findings:
        if finding.place:
            name, _, line = finding.place.rpartition(":")
            assert name in files, finding
            assert 1 <= int(line) <= files[name].count("\n") + 1, finding
    written = yaml.safe_load(writing.app_yml(found, tmp_path / "mysite/samestack"))
    assert written == {"app_name": found.name, "app_source": {"type": "path", "path": ".."}, **found.decisions}
    assert max(map(len, writing.app_yml(found, tmp_path / "mysite/samestack").splitlines())) <= 160


def test_no_value_of_a_secret_is_written(tmp_path: Path) -> None:
    files = project(
        "import os\nA = os.environ['API_TOKEN']\n",
        _dot_env="API_TOKEN=of-mine\n",
        _dot_env_dot_example="API_TOKEN=of-theirs\n",
    )
    found = read(tmp_path, files)
    text = writing.app_yml(found, tmp_path) + "\n".join(writing.report(found))
    assert "API_TOKEN" in text
    assert "of-mine" not in text
    assert "of-theirs" not in text


def test_a_secret_that_is_taken_apart_has_a_harmless_value_in_dev(tmp_path: Path) -> None:
    found = read(tmp_path, SHAPES["a secret that somebody takes apart"][0])
    assert found.stand_ins.keys() == {"vault_sentry_dsn"}
    assert "vault_sentry_dsn: https://" in writing.stand_ins(found.stand_ins)


TOOLBAR = "from django.conf import settings\nurlpatterns = []\nif settings.DEBUG:\n    import debug_toolbar\n"
INCLUDED = TOOLBAR.replace("import debug", "include('debug_toolbar.urls')\n    # ")
GUARDED = TOOLBAR.replace("    import", "    if 'debug_toolbar' in settings.INSTALLED_APPS:\n        import")
BY_DEBUG = "INSTALLED_APPS = ['debug_toolbar']\nif not DEBUG:\n    INSTALLED_APPS.remove('debug_toolbar')\n"


@pytest.mark.parametrize(
    ("settings", "urls", "told"),
    [
        ("DEBUG = False\n", TOOLBAR, {"app_debug": False}),
        (f"import other\nDEBUG = other.DEBUG\n{BY_DEBUG}", TOOLBAR, {"app_debug": False}),
        ("DEBUG = False\n", INCLUDED, {"app_debug": False}),
        (f"import os\nDEBUG = os.environ.get('DEBUG') == 'True'\n{BY_DEBUG}", TOOLBAR, {}),
        ("DEBUG = False\n", GUARDED, {}),
        ("DEBUG = False\n", TOOLBAR.replace("debug_toolbar", "mysite"), {}),
        ("DEBUG = False\nINSTALLED_APPS = ['debug_toolbar']\n", TOOLBAR, {}),
    ],
)
def test_dev_goes_without_debug_where_urls_cannot_have_it(
    tmp_path: Path, settings: str, urls: str, told: dict[str, bool]
) -> None:
    found = read(tmp_path, {**project(settings), "mysite/urls.py": urls})
    assert found.of_dev == told
    assert "app_debug" not in found.decisions
    text = writing.of_dev("---\napp_debug: true\nweb_hsts: 0\n", found)
    assert yaml.safe_load(text) == {"app_debug": not told, "web_hsts": 0}
    assert ("# mysite/urls.py:3" in text) is bool(told)


@pytest.mark.parametrize(
    "files",
    [
        project(Procfile="w: python manage.py {{ lookup('pipe', 'touch x') }}\n"),
        project("STATIC_URL = '/{% if 1 %}x{% endif %}/'\n"),
        project(
            "import os\nA = os.environ['REGION']\n", fly_dot_toml="[env]\nREGION = \"{{ lookup('pipe', 'x') }}\"\n"
        ),
        project(**{"{{ 1 }}.service": "[Service]\nExecStart=python manage.py {# x #}\n"}),
        {**project(), "mysite/urls.py": URLS.format("{{ app_secret }}/", "")},
    ],
)
def test_no_text_of_a_stranger_becomes_a_template(tmp_path: Path, files: dict[str, str]) -> None:
    found = read(tmp_path, files)
    assert any("!unsafe" in one.note for one in found.findings)
    decided = yaml.safe_load(writing.app_yml(found, tmp_path))
    assert not [text for text in adopt.texts(decided) if "{" in text]


def test_no_name_of_a_file_becomes_a_decision(tmp_path: Path) -> None:
    files = project(**{"x\napp_migrate: false\n#.service": "[Service]\nExecStart=python manage.py work\n"})
    decided = yaml.safe_load(writing.app_yml(read(tmp_path, files), tmp_path))
    assert "app_migrate" not in decided
    assert decided["app_workers"]


def test_nothing_of_the_project_is_run_or_changed(tmp_path: Path) -> None:
    bomb = "open('/nonexistent/bomb', 'w')\nraise SystemExit('it was run')\n"
    files = {
        **project(bomb),
        "conftest.py": bomb,
        "setup.py": bomb,
        "sitecustomize.py": bomb,
        "mysite/__init__.py": bomb,
    }
    before = dict(files)
    read(tmp_path, files)
    there = {
        path.relative_to(tmp_path / "mysite").as_posix(): path.read_text()
        for path in (tmp_path / "mysite").rglob("*")
        if path.is_file()
    }
    assert there == before


def test_the_python_of_an_image_is_told_and_not_taken(tmp_path: Path) -> None:
    docker = "ARG X=1\nFROM --platform=linux/amd64 docker.io/library/python:3.10-slim AS build\n"
    found = read(tmp_path, project(docker__Dockerfile=docker))
    told = next(one for one in found.findings if one.what == "Python")
    assert (told.value, told.place, told.sure, told.decisions) == ("3.10", "docker/Dockerfile:2", "guess", {})
    assert 'app_python: "3.10"' in told.note
    other = read(tmp_path / "x", project(Dockerfile=docker) | {".python-version": "3.12\n"})
    assert [one.value for one in other.findings if one.what == "Python"] == ["3.12"]


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("worker: python manage.py of_others\n")
    tree(tmp_path / "mysite", project())
    (tmp_path / "mysite/Procfile").symlink_to(tmp_path / "secret")
    assert "app_workers" not in adopt.adopt(tmp_path / "mysite", lambda _q, _c, best: best).decisions


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "no manage.py was found"),
        (without(project(), "requirements.txt"), "no file that lists its packages"),
        (without(project(), "mysite/wsgi.py", "mysite/asgi.py"), "neither a wsgi.py nor an asgi.py"),
        (without(project(), "requirements.txt") | {"Pipfile": ""}, "Pipfile has no lock"),
        (
            without(project(), "requirements.txt")
            | {"pyproject.toml": '[dependency-groups]\nsmall = ["Django==5.2.8"]\nlarge = ["django"]\n'},
            r"groups alone \(small, large\), and no lock",
        ),
    ],
)
def test_what_cannot_be_served_is_told(tmp_path: Path, files: dict[str, str], told: str) -> None:
    (tmp_path / "mysite").mkdir()
    with pytest.raises(DecisionError, match=told):
        read(tmp_path, files)


@pytest.mark.parametrize(
    ("cron", "systemd"),
    [
        ("0 4 * * *", "04:00"), ("*/5 * * * *", "*:0/5"), ("15,45 * * * *", "*:15,45"), ("0 */2 * * *", "0/2:00"),
        ("0 4 * * 1", "Mon 04:00"), ("0 4 * * mon-fri", "Mon..Fri 04:00"), ("0 4 1 * *", "*-*-01 04:00"),
        ("0 4 1 */3 *", "*-1/3-01 04:00"), ("@daily", "daily"), ("@reboot", ""), ("0 4 1 * 1", ""), ("x", ""),
    ],
)  # fmt: skip
def test_cron_in_systemds_words(cron: str, systemd: str) -> None:
    assert calendar(cron) == systemd


@pytest.mark.parametrize(
    ("command", "here"),
    [
        ("exec poetry run celery -A x worker", "celery -A x worker"),
        ("bash -c 'DJANGO_ENV=prod python3 manage.py rqworker'", "python manage.py rqworker"),
        ("source /app/.venv/bin/activate && celery -A x worker", "celery -A x worker"),
        ("newrelic-admin run-program uv run python manage.py x", "python manage.py x"),
    ],
)
def test_commands_without_what_starts_them(command: str, here: str) -> None:
    assert plain(command) == here


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("my_site", "my-site"),
        ("backend", "shop"),
        ("djangoproject.com", "djangoproject-com"),
        ("root", "root-site"),
        ("2024", "x2024"),
    ],
)
def test_names(tmp_path: Path, folder: str, name: str) -> None:
    assert adopt.application_name(tmp_path / "shop" / folder) == name
