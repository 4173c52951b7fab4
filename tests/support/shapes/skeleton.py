"""Skeletons of Django projects, of our own writing: what their files are called, and as much in them as is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

#: The files of a project, what is decided of it, what Samestack cannot give
Shape = tuple[dict[str, str], dict[str, Any], list[str]]

MANAGE = """import os, sys
def main():
    os.environ.setdefault('DJANGO_SETTINGS_MODULE', '{0}')
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"""
WSGI = """import os
from django.core.wsgi import get_wsgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{0}")
application = get_wsgi_application()
"""
ASGI = WSGI.replace("wsgi", "asgi")


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def startproject(prefix: str = "", name: str = "mysite") -> dict[str, str]:
    return {
        f"{prefix}manage.py": MANAGE.format(f"{name}.settings"),
        f"{prefix}{name}/__init__.py": "",
        f"{prefix}{name}/settings.py": f"SECRET_KEY = 'x'\nWSGI_APPLICATION = '{name}.wsgi.application'\n",
        f"{prefix}{name}/wsgi.py": WSGI.format(f"{name}.settings"),
        f"{prefix}{name}/asgi.py": ASGI.format(f"{name}.settings"),
        "requirements.txt": "Django==5.2.8\n",
    }


CHANNELS = """import os
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": URLRouter([])})
"""
CELERY = """import os
from celery import Celery
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{0}")
app = Celery("{1}")
app.config_from_object("django.conf:settings", namespace="CELERY")
"""
URLS = """from django.contrib import admin
from django.urls import include, path
urlpatterns = [
    path("{0}", admin.site.urls),
    {1}
]
"""


def project(settings: str = "", urls: str = "", packages: str = "", **more: str) -> dict[str, str]:
    """The files of a project of one settings module; names in `more` have `__` for a slash and `_dot_` for a dot."""
    files = startproject()
    files["mysite/settings.py"] += f"ROOT_URLCONF = 'mysite.urls'\nSTATIC_URL = 'static/'\n{settings}"
    files["mysite/urls.py"] = URLS.format("admin/", urls)
    files["requirements.txt"] = f"Django==5.2.8\n{packages}"
    return files | {name.replace("__", "/").replace("_dot_", "."): text for name, text in more.items()}


def split(*modules: str, named: str, base: str = "") -> dict[str, str]:
    """A project with a package of settings, whose manage.py and wsgi.py name one of them."""
    files = startproject()
    del files["mysite/settings.py"]
    files["mysite/settings/__init__.py"] = ""
    files["mysite/settings/base.py"] = f"SECRET_KEY = 'x'\nROOT_URLCONF = 'mysite.urls'\n{base}"
    for module in modules:
        files[f"mysite/settings/{module}.py"] = "from .base import *\n"
    files["mysite/urls.py"] = URLS.format("admin/", "")
    files["mysite/wsgi.py"] = WSGI.format(f"mysite.settings.{named}")
    files["mysite/asgi.py"] = ASGI.format(f"mysite.settings.{named}")
    files["manage.py"] = MANAGE.format(f"mysite.settings.{named}")
    return files


def moved(files: dict[str, str], folder: str, *stay: str) -> dict[str, str]:
    return {name if name in stay else f"{folder}/{name}": text for name, text in files.items()}


def without(files: dict[str, str], *names: str) -> dict[str, str]:
    return {name: text for name, text in files.items() if name not in names}


QUEUE = {"queue": {"command": "celery -A mysite worker --loglevel INFO"}}
ADMIN = {"app_health_path": "/admin/login/"}
