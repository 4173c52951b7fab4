"""Settings and entry points of the less usual kinds: found, or said with the way to set them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from plugins.plugin_utils.errors import DecisionError
from plugins.plugin_utils.project.detect import Given, detect
from plugins.plugin_utils.project.variables import variables_of
from tests.support.shapes.skeleton import ASGI, WSGI, startproject, tree
from tests.unit.test_project import PINS

if TYPE_CHECKING:
    from pathlib import Path

CHANNELS = """import os
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": URLRouter([])})
"""
FASTAPI = """from fastapi import FastAPI
from django.core.asgi import get_asgi_application
django = get_asgi_application()
application = FastAPI()
application.mount("/", django)
"""
BY_HAND = """async def application(scope, receive, send):
    if scope["type"] == "websocket":
        return
"""


def without(files: dict[str, str], *names: str) -> dict[str, str]:
    return {name: content for name, content in files.items() if name not in names}


@pytest.mark.parametrize("interface", ["wsgi", "asgi"])
@pytest.mark.parametrize("inside", ["", "web/"])
@pytest.mark.parametrize("declared", [True, False])
def test_entry_points_that_are_packages(tmp_path: Path, interface: str, inside: str, *, declared: bool) -> None:
    files = without(startproject(inside), f"{inside}mysite/wsgi.py", f"{inside}mysite/asgi.py", f"{inside}manage.py")
    files[f"{inside}manage.py"] = "import os\nos.environ['DJANGO_SETTINGS_MODULE']\n"
    files[f"{inside}mysite/{interface}/__init__.py"] = {"wsgi": WSGI, "asgi": ASGI}[interface].format("mysite.settings")
    name = f"{interface.upper()}_APPLICATION"
    files[f"{inside}mysite/settings.py"] = f"{name} = 'mysite.{interface}.application'\n" if declared else "X = 1\n"
    found = detect(tree(tmp_path, files), Given(directory=inside), PINS)
    assert (found.settings, found.interface) == ("mysite.settings", interface)
    assert found.application == f"mysite.{interface}:application"


@pytest.mark.parametrize("content", [CHANNELS, FASTAPI, BY_HAND])
def test_an_asgi_application_whose_wsgi_is_a_leftover(tmp_path: Path, content: str) -> None:
    tree(tmp_path, {**startproject(), "mysite/asgi.py": content})
    found = detect(tmp_path, Given(), PINS)
    # What serves does not change by itself; the line that is printed changes it.
    assert (found.interface, found.application) == ("wsgi", "mysite.wsgi:application")
    said = re.search(r'set app_asgi: "([^"]+)"', "\n".join(found.notes))
    assert said
    found = detect(tmp_path, Given(asgi=said[1]), PINS)
    assert (found.interface, found.application) == ("asgi", "mysite.asgi:application")


def test_settings_that_name_asgi_alone(tmp_path: Path) -> None:
    tree(tmp_path, {**startproject(), "mysite/settings.py": "ASGI_APPLICATION = 'mysite.asgi.application'\n"})
    assert detect(tmp_path, Given(), PINS).interface == "asgi"
    tree(tmp_path, startproject())
    assert detect(tmp_path, Given(), PINS).interface == "wsgi"


@pytest.mark.parametrize("production", ["prod", "production", "live"])
@pytest.mark.parametrize(
    ("init", "read"),
    [
        ("import os\nif os.environ.get('STAGE') == 'prod':\n    from .prod import *\nelse:\n    from .dev import *\n",
         "STAGE"),
        ("import os\nmodule = __import__(f'mysite.settings.{os.getenv(\"STAGE\", \"dev\")}')\n", "STAGE"),
        ("import sys\nif 'test' in sys.argv:\n    from .dev import *\nelse:\n    from .prod import *\n", ""),
        ("from split_settings.tools import include\ninclude('dev.py')\n", ""),
    ],
)  # fmt: skip
def test_settings_that_choose_by_themselves(tmp_path: Path, production: str, init: str, read: str) -> None:
    files = without(startproject(), "mysite/settings.py")
    tree(tmp_path, {**files, "mysite/settings/__init__.py": init, "mysite/settings/dev.py": "DEBUG = True\n",
                    f"mysite/settings/{production}.py": "DEBUG = False\n"})  # fmt: skip
    found = detect(tmp_path, Given(), PINS)
    assert found.settings == "mysite.settings"
    (note,) = found.notes
    assert note.startswith("mysite.settings chooses by itself") and read in note
    assert ("app_env" in note) is bool(read)
    chosen = note.rpartition("app_settings_module: ")[2]
    assert detect(tmp_path, Given(settings=chosen), PINS).settings == f"mysite.settings.{production}"


@pytest.mark.parametrize("init", ["", '"""Settings."""\n', "from .dev import *\n", "from .base import *\n"])
def test_settings_that_are_for_development_unless_told(tmp_path: Path, init: str) -> None:
    files = without(startproject(), "mysite/settings.py")
    modules = {f"mysite/settings/{name}.py": "" for name in ("dev", "base", "prod")}
    tree(tmp_path, {**files, **modules, "mysite/settings/__init__.py": init})
    found = detect(tmp_path, Given(), PINS)
    assert found.settings == "mysite.settings.prod"
    assert found.notes == ["manage.py names mysite.settings; mysite.settings.prod is there too and is used"]


@pytest.mark.parametrize(
    ("code", "required"),
    [
        ('env.int("X", 10)', False), ('env.bool("X", False)', False), ('env.str("X", "")', False),
        ('env("X", "a")', False), ('env("X", None)', False), ('env("X", int)', True), ('env("X", int, 5)', False),
        ('env.list("X", str, [])', False), ('env.list("X", str)', True), ('env.list("X", [])', False),
        ('config("X", "a")', False), ('config("X", cast=int)', True), ('env.url("X")', True),
        ('env("X", default=None)', False), ('os.environ.get("X", 1)', False), ('os.getenv("X")', False),
    ],
)  # fmt: skip
def test_defaults_by_place(tmp_path: Path, code: str, *, required: bool) -> None:
    (tmp_path / "settings.py").write_text(f"VALUE = {code}\n")
    assert variables_of([tmp_path / "settings.py"])["X"].required == required


def test_settings_that_nothing_names_are_listed_as_they_can_be_set(tmp_path: Path) -> None:
    """`production.example` is a file to copy, `ci` and `development` are not for servers."""
    names = ("ci", "test", "production.example", "development", "clever-cloud", "base", "__init__")
    files = {f"shop/settings/{name}.py": "X = 1\n" for name in names}
    files |= {"manage.py": "import os\nos.environ['DJANGO_SETTINGS_MODULE']\n", "requirements.txt": "Django\n"}
    files["shop/wsgi.py"] = "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"
    tree(tmp_path, files)
    with pytest.raises(DecisionError) as refused:
        detect(tmp_path, Given(), PINS)
    listed = re.findall(r"shop\.settings\.[\w.-]*[\w-]", str(refused.value))
    assert listed == [f"shop.settings.{name}" for name in ("base", "clever-cloud", "development", "ci", "test")]
    assert "for example app_settings_module: shop.settings.base (or shop.settings.clever-cloud, " in str(refused.value)
    for module in listed:
        assert detect(tmp_path, Given(settings=module), PINS).settings == module


def test_settings_beside_the_named_ones_are_offered_first(tmp_path: Path) -> None:
    """What manage.py names is not in the repository: everybody has a file of their own."""
    files = without(startproject(), "mysite/settings.py", "mysite/wsgi.py", "mysite/asgi.py")
    files["manage.py"] = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.config.local')\n"
    files |= {f"{name}.py": "X = 1\n" for name in ("aaa/settings", "mysite/config/settings", "tests/settings")}
    tree(tmp_path, files)
    with pytest.raises(
        DecisionError, match=r"manage\.py names mysite\.config\.local, which the source does not"
    ) as said:
        detect(tmp_path, Given(), PINS)
    offered = "for example app_settings_module: mysite.config.settings (or aaa.settings, tests.settings)"
    assert offered in str(said.value)
