"""How projects are laid out and served: settings, entry points, lists of packages, pages that answer."""

from __future__ import annotations

from .skeleton import (
    ADMIN,
    ASGI,
    CELERY,
    CHANNELS,
    MANAGE,
    QUEUE,
    URLS,
    WSGI,
    Shape,
    moved,
    project,
    split,
    startproject,
    without,
)

SHAPES: dict[str, Shape] = {
    "startproject": (project(), ADMIN, []),
    "production beside dev, as wagtail start makes it": (
        split("dev", "production", named="dev"), ADMIN | {"app_settings_module": "mysite.settings.production"}, [],
    ),
    "production named by wsgi.py": (split("local", "production", named="production"), ADMIN, []),
    "local named, heroku beside it": (
        split("local", "heroku", "test", named="local"), ADMIN | {"app_settings_module": "mysite.settings.heroku"}, [],
    ),
    "base alone named by nobody": (
        split("development", "deploy", named="development")
        | {
            "manage.py": "import os\nos.environ['DJANGO_SETTINGS_MODULE']\n", "mysite/asgi.py": "",
            "mysite/wsgi.py": "from django.core.wsgi import get_wsgi_application\n"
                "application = get_wsgi_application()\n",
        },
        ADMIN | {"app_settings_module": "mysite.settings.deploy"}, [],
    ),
    "django-configurations": (
        project("from configurations import Configuration\nclass Production(Configuration):\n"
            "    MEDIA_URL = '/files/'\n"),
        ADMIN | {
            "web_media_url": "/files/", "app_env": {"DJANGO_CONFIGURATION": "Production"},
            "app_build_env": {"DJANGO_CONFIGURATION": "Production"}, "app_settings_overlay": False,
        }, [],
    ),
    "django-split-settings": (
        project("from split_settings.tools import include, optional\n"
            "include('parts/*.py', optional('parts/local.py'))\n",
                mysite__parts__cache_dot_py="CACHES = {'default': {'BACKEND': 'django_redis.cache.RedisCache'}}\n"),
        {"app_redis": True, "app_redis_open": True}, [],
    ),
    "src": (moved(project(), "src", "requirements.txt"), ADMIN, []),
    "backend beside a frontend of its own": (
        moved(project(frontend="x"), "backend")
        | {"frontend/package.json": '{"scripts": {"build": "vite build"}}', "frontend/.gitignore": "dist\n"},
        ADMIN, [],
    ),
    "a flat layout": (
        {
            "manage.py": MANAGE.format("settings"), "settings.py": "SECRET_KEY = 'x'\nROOT_URLCONF = 'urls'\n",
            "wsgi.py": WSGI.format("settings"), "urls.py": URLS.format("admin/", ""),
                "requirements.txt": "Django==5.2.8\n",
        }, ADMIN, [],
    ),
    "a uv workspace": (
        moved(without(project(), "requirements.txt"), "apps/site")
        | {
            "pyproject.toml": "[project]\nname = 'all'\nversion = '1'\n[tool.uv.workspace]\nmembers = ['apps/*']\n",
            "apps/site/pyproject.toml": "[project]\nname = 'site'\nversion = '1'\n"
                "dependencies = ['django', 'celery']\n",
            "apps/site/mysite/celery.py": CELERY.format("mysite.settings", "mysite"),
            "uv.lock": "version = 1\nrequires-python = '>=3.12'\n"
                       "[[package]]\nname = 'all'\nversion = '1'\nsource = {virtual = '.'}\n"
                       "[[package]]\nname = 'site'\nversion = '1'\nsource = {virtual = 'apps/site'}\n"
                       "dependencies = [{name = 'django'}, {name = 'celery'}]\n"
                       "[[package]]\nname = 'django'\nversion = '5.2.8'\n[[package]]\nname = 'celery'\n"
                           "version = '5.5.0'\n",
        },
        ADMIN | {"app_workers": QUEUE, "app_redis": True}, [],
    ),
    "poetry": (
        without(project(), "requirements.txt") | {
            "pyproject.toml": "[tool.poetry]\nname = 'x'\n[tool.poetry.dependencies]\npython = '^3.12'\ndjango = '*'\n",
            "poetry.lock": "[[package]]\nname = 'django'\nversion = '5.2.8'\ngroups = ['main']\n",
        }, ADMIN, [],
    ),
    "dependency groups alone": (
        without(project(), "requirements.txt") | {
            "pyproject.toml": "[dependency-groups]\nmain = ['django==5.2.8', 'celery==5.5.0']\ndev = ['ruff']\n",
            "mysite/celery.py": CELERY.format("mysite.settings", "mysite"),
        }, ADMIN | {"app_workers": QUEUE, "app_redis": True}, [],
    ),
    "pipenv": (
        without(project(), "requirements.txt") | {
            "Pipfile": "[packages]\ndjango = '*'\n",
            "Pipfile.lock": '{"_meta": {"requires": {"python_version": "3.12"}}, "default": '
                            '{"django": {"version": "==5.2.8"}}}',
        }, ADMIN, [],
    ),
    "Channels, whose wsgi.py is a leftover": (
        project("CHANNEL_LAYERS = {'default': {'BACKEND': 'channels_redis.core.RedisChannelLayer'}}\n",
                mysite__asgi_dot_py=CHANNELS, packages="channels-redis==4.3.0\n"),
        {"app_asgi": "mysite.asgi:application", "app_redis": True, "app_redis_open": True}, [],
    ),
    "ASGI alone": (
        without(project(mysite__asgi_dot_py=ASGI.format("mysite.settings")), "mysite/wsgi.py")
        | {"mysite/settings.py": "SECRET_KEY = 'x'\nASGI_APPLICATION = 'mysite.asgi.application'\n"
            "ROOT_URLCONF = 'mysite.urls'\n"},
        ADMIN, [],
    ),
    "a health check that is installed": (
        project("INSTALLED_APPS = ['health_check', 'health_check.db']\n",
            "path('status/', include('health_check.urls')),"),
        {"app_health_path": "/status/"}, [],
    ),
    "a page for monitors in a list of its own": (
        project("", "path('api/', include('mysite.api')),", mysite__api_dot_py="from django.urls import path\n"
            "urlpatterns = [path('healthz', None)]\n"),
        {"app_health_path": "/api/healthz"}, [],
    ),
    "an admin elsewhere": (
        {**project(), "mysite/urls.py": URLS.format("office/", "")}, {"app_health_path": "/office/login/"}, [],
    ),
    "no admin, and a page to log in on": (
        {**project(), "mysite/urls.py": "from django.urls import include, path\nfrom .views import Home, LoginView\n"
            "urlpatterns = [path('', Home.as_view()), path('x/login/', include('x.urls')), "
            "path('account/login/', LoginView.as_view(), name='login')]\n"},
        {"app_health_path": "/account/login/"}, [],
    ),
    "no admin": (
        {**project(), "mysite/urls.py": "from django.urls import path\nurlpatterns = [path('', None)]\n"},
            {"app_health_path": "/"}, [],
    ),
    "an example project beside it": (
        project() | {f"examples/small/{name}": text for name, text in startproject().items()}, ADMIN, [],
    ),
    "requirements in a folder of folders": (
        without(project(), "requirements.txt")
        | {"deps/pip/dev_requirements.txt": "Django==5.2.8\n", "deps/pip/requirements.txt": "Django==5.2.8\n"},
        ADMIN | {"app_requirements": "deps/pip/requirements.txt"}, [],
    ),
    "two projects": (
        moved(project(), "site") | {f"demo/{name}": text for name, text in startproject().items()}
        | {"demo/manage.py": MANAGE.format("mysite.settings")},
        ADMIN | {"app_directory": "site"}, [],
    ),
}  # fmt: skip
