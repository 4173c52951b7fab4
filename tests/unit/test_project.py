"""What is found in small project trees of the kinds that people have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from plugins.plugin_utils.errors import DecisionError
from plugins.plugin_utils.project.detect import Given, detect
from plugins.plugin_utils.project.packages import additions
from tests.support.shapes.skeleton import ASGI, MANAGE, WSGI, startproject, tree

if TYPE_CHECKING:
    from pathlib import Path

PINS = {
    "gunicorn": "27.0.1", "granian": "2.8.7", "uvicorn": "0.54.0", "uvicorn-worker": "0.4.0", "psycopg": "3.3.9",
    "psycopg2-binary": "2.9.13", "websockets": "16.1.1",
}  # fmt: skip


def test_startproject(tmp_path: Path) -> None:
    found = detect(tree(tmp_path, startproject()), Given(), PINS)
    assert (found.directory, found.settings) == ("", "mysite.settings")
    assert (found.interface, found.application) == ("wsgi", "mysite.wsgi:application")
    assert (found.packages.kind, found.packages.versions) == ("requirements", {"django": "5.2.8"})
    assert found.added == ["gunicorn==27.0.1", "psycopg[binary]==3.3.9"]


def test_manage_py_in_a_subfolder_with_packages_above(tmp_path: Path) -> None:
    found = detect(tree(tmp_path, startproject("backend/")), Given(), PINS)
    assert (found.directory, found.packages.file) == ("backend", "requirements.txt")
    assert found.application == "mysite.wsgi:application"


def test_several_manage_py_are_listed(tmp_path: Path) -> None:
    tree(tmp_path, {**startproject("one/"), **startproject("two/")})
    with pytest.raises(
        DecisionError, match=r'app_directory = "" .*in one, two\. Choose one, like app_directory: "one"'
    ):
        detect(tmp_path, Given(), PINS)
    assert detect(tmp_path, Given(directory="two"), PINS).directory == "two"


def test_manage_py_of_other_peoples_code_does_not_count(tmp_path: Path) -> None:
    tree(tmp_path, {**startproject("web/"), ".venv/x/manage.py": MANAGE, "node_modules/y/manage.py": MANAGE})
    assert detect(tmp_path, Given(), PINS).directory == "web"


def test_no_manage_py(tmp_path: Path) -> None:
    with pytest.raises(DecisionError, match=r"in inventories/group_vars/all/app.yml\): no manage.py was found"):
        detect(tree(tmp_path, {"setup.py": ""}), Given(), PINS)


def test_wagtail_start_prefers_production_settings(tmp_path: Path) -> None:
    files = startproject()
    del files["mysite/settings.py"]
    files |= {
        "manage.py": MANAGE.format("mysite.settings.dev"),
        "mysite/wsgi.py": WSGI.format("mysite.settings.dev"),
        "mysite/settings/__init__.py": "",
        "mysite/settings/base.py": "WSGI_APPLICATION = 'mysite.wsgi.application'\n",
        "mysite/settings/dev.py": "from .base import *\n",
        "mysite/settings/production.py": "from .base import *\n",
        "requirements.txt": "Django>=5.2,<5.3\nwagtail>=7.2,<7.3\n",
    }
    del files["mysite/asgi.py"]
    found = detect(tree(tmp_path, files), Given(), PINS)
    assert found.settings == "mysite.settings.production"
    assert found.notes == ["manage.py names mysite.settings.dev; mysite.settings.production is there too and is used"]
    assert found.application == "mysite.wsgi:application"


def test_cookiecutter_wsgi_names_production(tmp_path: Path) -> None:
    files = {
        "manage.py": MANAGE.format("config.settings.local"),
        "config/wsgi.py": WSGI.format("config.settings.production"),
        "config/asgi.py": ASGI.format("config.settings.local"),
        "config/settings/__init__.py": "",
        "config/settings/base.py": "import environ\nenv = environ.Env()\n"
        "WSGI_APPLICATION = 'config.wsgi.application'\n",
        "config/settings/local.py": "from .base import *\nX = env('ONLY_LOCAL')\n",
        "config/settings/production.py": "from .base import *\nSECRET_KEY = env('DJANGO_SECRET_KEY')\n"
        "ADMIN = env('DJANGO_ADMIN_URL', default='x')\nDB = env.db('DATABASE_URL')\n",
        "requirements/base.txt": "django==5.2.8\npsycopg[c]==3.2.9\n",
        "requirements/production.txt": "-r base.txt\ngunicorn==23.0.0\n",
        "shop/users/apps.py": "",
    }
    found = detect(tree(tmp_path, files), Given(), PINS)
    assert found.settings == "config.settings.production"
    assert found.environment == {"DATABASE_URL": True, "DJANGO_ADMIN_URL": False, "DJANGO_SECRET_KEY": True}
    assert found.packages.file == "requirements/production.txt"
    assert found.packages.inputs == ["requirements/production.txt", "requirements/base.txt"]
    assert found.added == []


def test_src_layout(tmp_path: Path) -> None:
    files = {f"src/{name}": text for name, text in startproject().items() if name.startswith("mysite/")}
    tree(tmp_path, {**files, "manage.py": MANAGE.format("mysite.settings"), "requirements.txt": "django\n"})
    found = detect(tmp_path, Given(), PINS)
    assert (found.directory, found.python_path) == ("", ["src"])
    assert found.application == "mysite.wsgi:application"


def test_manage_py_in_src(tmp_path: Path) -> None:
    found = detect(tree(tmp_path, startproject("src/")), Given(), PINS)
    assert (found.directory, found.python_path) == ("src", [])


def test_flat_layout(tmp_path: Path) -> None:
    files = {
        "manage.py": MANAGE.format("settings"),
        "settings.py": "DEBUG = False\n",
        "wsgi.py": WSGI.format("settings"),
        "requirements.txt": "django\n",
    }
    found = detect(tree(tmp_path, files), Given(), PINS)
    assert (found.settings, found.application) == ("settings", "wsgi:application")


def test_settings_that_depend_on_the_environment_ask_for_a_choice(tmp_path: Path) -> None:
    files = startproject()
    files["manage.py"] = (
        "import os\nname = 'mysite.settings.a' if os.getenv('A') else 'other.settings.b'\n"
        "os.environ.setdefault('DJANGO_SETTINGS_MODULE', name)\n"
    )
    files["mysite/settings/a.py"] = files["other/settings/b.py"] = ""
    del files["mysite/settings.py"], files["mysite/wsgi.py"], files["mysite/asgi.py"]
    with pytest.raises(
        DecisionError, match=r"several settings modules, mysite.settings.a, other.settings.b. Choose one"
    ):
        detect(tree(tmp_path, files), Given(), PINS)


def test_settings_by_hand_with_a_typo(tmp_path: Path) -> None:
    tree(tmp_path, startproject())
    with pytest.raises(DecisionError, match=r"app_settings_module = mysite.setings .*Did you mean mysite.settings\?"):
        detect(tmp_path, Given(settings="mysite.setings"), PINS)


def test_asgi_by_hand_and_asgi_alone(tmp_path: Path) -> None:
    tree(tmp_path, startproject())
    found = detect(tmp_path, Given(asgi="mysite.asgi.application"), PINS)
    assert (found.interface, found.application) == ("asgi", "mysite.asgi:application")
    assert "uvicorn-worker==0.4.0" in found.added
    (tmp_path / "mysite/wsgi.py").unlink()
    assert detect(tmp_path, Given(), PINS).interface == "asgi"


def test_entry_point_that_is_not_there(tmp_path: Path) -> None:
    tree(tmp_path, startproject())
    with pytest.raises(DecisionError, match=r"app_wsgi = shop.wsgi .*It has mysite.wsgi"):
        detect(tmp_path, Given(wsgi="shop.wsgi"), PINS)


UV_LOCK = """version = 1
requires-python = ">=3.12"
[[package]]
name = "shop"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "django" }, { name = "psycopg", extra = ["binary"] }]
[package.dev-dependencies]
dev = [{ name = "pytest" }]
prod = [{ name = "gunicorn" }]
[[package]]
name = "django"
version = "5.2.8"
[[package]]
name = "psycopg"
version = "3.2.9"
[package.optional-dependencies]
binary = [{ name = "psycopg-binary" }]
[[package]]
name = "psycopg-binary"
version = "3.2.9"
[[package]]
name = "gunicorn"
version = "23.0.0"
[[package]]
name = "pytest"
version = "9.0.0"
"""
UV_PROJECT = """[project]
name = "shop"
version = "1"
dependencies = ["django", "psycopg[binary]"]
[dependency-groups]
dev = ["pytest"]
prod = ["gunicorn"]
[[tool.uv.index]]
name = "company"
url = "https://pypi.company.example/simple"
"""


def test_uv_lock_without_development_packages_and_with_the_group_for_servers(tmp_path: Path) -> None:
    tree(tmp_path, {**startproject(), "uv.lock": UV_LOCK, "pyproject.toml": UV_PROJECT})
    packages = detect(tmp_path, Given(), PINS).packages
    assert (packages.kind, packages.groups, packages.indexes) == ("uv", ["prod"], ["company"])
    assert sorted(packages.versions) == ["django", "gunicorn", "psycopg", "psycopg-binary"]
    assert packages.inputs == ["uv.lock", "pyproject.toml"]


def test_poetry_lock(tmp_path: Path) -> None:
    lock = '[[package]]\nname = "Django"\nversion = "4.1.1"\ngroups = ["main"]\n'
    lock += '[[package]]\nname = "pytest"\ngroups = ["dev"]\n'
    project = '[tool.poetry.dependencies]\npython = "^3.10"\ndjango = "*"\n'
    files = {**startproject(), "poetry.lock": lock, "pyproject.toml": project}
    del files["requirements.txt"]
    found = detect(tree(tmp_path, files), Given(), PINS)
    assert (found.packages.kind, found.packages.versions) == ("poetry", {"django": "4.1.1"})
    assert found.packages.python == ">=3.10,<4"
    assert found.added == ["gunicorn==27.0.1", "psycopg2-binary==2.9.13"]


def test_poetry_and_pipenv_without_a_lock_say_what_to_run(tmp_path: Path) -> None:
    files = startproject()
    del files["requirements.txt"]
    tree(tmp_path, {**files, "pyproject.toml": '[tool.poetry]\nname = "x"\n'})
    with pytest.raises(DecisionError, match="poetry lock"):
        detect(tmp_path, Given(), PINS)
    (tmp_path / "Pipfile").write_text("")
    with pytest.raises(DecisionError, match="pipenv lock"):
        detect(tmp_path, Given(), PINS)


def test_pipfile_lock(tmp_path: Path) -> None:
    lock = {
        "_meta": {"requires": {"python_version": "3.11"}},
        "default": {"django": {"version": "==5.2.8"}, "gunicorn": {"version": "==23.0.0"}},
        "develop": {"pytest": {}},
    }
    files = {**startproject(), "Pipfile.lock": json.dumps(lock), "Pipfile": ""}
    packages = detect(tree(tmp_path, files), Given(), PINS).packages
    assert (packages.kind, packages.python) == ("pipenv", "==3.11.*")
    assert packages.versions == {"django": "5.2.8", "gunicorn": "23.0.0"}


def test_bare_pyproject_and_pylock(tmp_path: Path) -> None:
    files = startproject()
    del files["requirements.txt"]
    project = (
        '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = ["Django>=5", "psycopg2"]\n'
    )
    tree(tmp_path, {**files, "pyproject.toml": project})
    found = detect(tmp_path, Given(), PINS)
    assert (found.packages.kind, found.packages.python) == ("pyproject", ">=3.10")
    assert found.added == ["gunicorn==27.0.1"]
    (tmp_path / "pylock.toml").write_text('lock-version = "1.0"\n[[packages]]\nname = "django"\nversion = "5.2"\n')
    assert detect(tmp_path, Given(), PINS).packages.versions == {"django": "5.2"}


def test_packages_in_dependency_groups_alone(tmp_path: Path) -> None:
    files = startproject()
    del files["requirements.txt"]
    groups = (
        '[dependency-groups]\nbase = ["celery==5.5"]\nmain = ["Django==5.2.8", {include-group = "base"}]\n'
        'dev = ["django==6.0", "mypy"]\n'
    )
    tree(tmp_path, {**files, "pyproject.toml": groups})
    found = detect(tmp_path, Given(), PINS).packages
    assert (found.kind, found.groups, found.development.groups) == ("pyproject", ["main"], ["dev"])
    assert found.versions == {"django": "5.2.8", "celery": "5.5"}
    # Where there is a list of the project's, its groups are nobody's but who develops it.
    project = '[project]\nname = "x"\nversion = "1"\ndependencies = ["Django==5.1"]\n'
    (tmp_path / "pyproject.toml").write_text(project + groups)
    found = detect(tmp_path, Given(), PINS).packages
    assert (found.groups, found.versions) == ([], {"django": "5.1"})


def test_no_list_of_packages_and_a_broken_one(tmp_path: Path) -> None:
    files = startproject()
    del files["requirements.txt"]
    with pytest.raises(DecisionError, match="no file that lists its packages"):
        detect(tree(tmp_path, files), Given(), PINS)
    (tmp_path / "uv.lock").write_text("not toml at all")
    with pytest.raises(DecisionError, match=r"app_requirements .*uv.lock cannot be read"):
        detect(tmp_path, Given(), PINS)
    with pytest.raises(DecisionError, match=r"app_requirements = nothing.txt .*no such file"):
        detect(tmp_path, Given(requirements="nothing.txt"), PINS)


@pytest.mark.parametrize(
    ("versions", "interface", "server", "expected"),
    [
        ({"django": "5.2"}, "wsgi", "granian", ["granian==2.8.7", "psycopg[binary]==3.3.9"]),
        ({"django": "3.2", "gunicorn": "23"}, "wsgi", "gunicorn", ["psycopg2-binary==2.9.13"]),
        ({"psycopg": "3.2.1", "gunicorn": None}, "wsgi", "gunicorn", ["psycopg-binary==3.2.1"]),
        ({"psycopg": None, "gunicorn": None}, "wsgi", "gunicorn", ["psycopg[binary]"]),
        ({"psycopg2": "2.9", "gunicorn": None, "uvicorn": "0.36.1", "wsproto": "1"}, "asgi", "gunicorn",
         ["uvicorn-worker==0.4.0"]),
        ({"psycopg2": "2.9", "gunicorn": None, "uvicorn": "0.29.0", "wsproto": "1"}, "asgi", "gunicorn",
         ["uvicorn-worker==0.3.0"]),
        ({"psycopg2": "2.9", "gunicorn": None, "uvicorn": None, "wsproto": "1"}, "asgi", "gunicorn",
         ["uvicorn-worker==0.4.0"]),
        ({"psycopg2": "2.9", "gunicorn": None, "uvicorn": "0.5", "uvicorn-worker": "0.4"}, "asgi", "gunicorn",
         ["websockets==16.1.1"]),
    ],
)  # fmt: skip
def test_additions(versions: dict[str, str | None], interface: str, server: str, expected: list[str]) -> None:
    assert additions(versions, interface, server, PINS) == expected


def test_settings_imported_from_elsewhere_are_read_too(tmp_path: Path) -> None:
    files = startproject()
    files["mysite/settings.py"] = "from .parts.mail import *\nfrom mysite.parts import database\n"
    files["mysite/parts/__init__.py"] = ""
    files["mysite/parts/mail.py"] = "import os\nX = os.environ['MAIL_KEY']\n"
    files["mysite/parts/database.py"] = "import os\nX = os.environ['DB_KEY']\n"
    assert detect(tree(tmp_path, files), Given(), PINS).environment == {"DB_KEY": True, "MAIL_KEY": True}
