"""What projects keep things in and are built with: databases, stores, extensions, packages of the system, Node."""

from __future__ import annotations

from .skeleton import ADMIN, CELERY, QUEUE, Shape, moved, project

SHAPES: dict[str, Shape] = {
    "a broker of another kind": (
        project("CELERY_BROKER_URL = 'amqp://guest@rabbitmq//'\n", packages="celery==5.5.0\n",
                mysite__celery_dot_py=CELERY.format("mysite.settings", "mysite")),
        {"app_workers": QUEUE}, ["broker"],
    ),
    "GeoDjango": (
        project("INSTALLED_APPS = ['django.contrib.gis']\n"
            "DATABASES = {'default': {'ENGINE': 'django.contrib.gis.db.backends.postgis'}}\n"),
        {"database_extensions": ["postgis"], "app_system_packages": ["binutils", "gdal-bin", "libproj-dev"]}, [],
    ),
    "pgvector, and an extension that the owner may make": (
        project(packages="pgvector==0.4\npsycopg2==2.9.10\n", mysite__migrations__0001_dot_py=(
            "from django.contrib.postgres.operations import TrigramExtension\n"
            "operations = [TrigramExtension(), BloomExtension()]\n")),
        {"database_extensions": ["vector", "bloom"], "app_system_packages": ["gcc", "python3-dev", "libpq-dev"]}, [],
    ),
    "MySQL": (
        project("DATABASES = {'default': {'ENGINE': 'django.db.backends.mysql'}}\n", packages="mysqlclient==2.2\n"),
        {"app_system_packages": ["gcc", "python3-dev", "default-libmysqlclient-dev", "pkg-config"]}, ["database"],
    ),
    "migrations for SQLite alone": (
        project("DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'x'}}\n",
                mysite__migrations__0001_initial_dot_py="cursor.execute('PRAGMA table_info(\"x\")')\n"),
        ADMIN, ["database"],
    ),
    "migrations for SQLite where it is that": (
        project("DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'x'}}\n",
                mysite__migrations__0001_initial_dot_py="if connection.vendor == 'sqlite':\n    x('PRAGMA y')\n"),
        ADMIN, [],
    ),
    "migrations that git has not got": (
        project() | {
            "shop/models.py": "class Thing(models.Model):\n    pass\n", "shop/migrations/__init__.py": "",
            "base/models.py": "class Base(models.Model):\n    class Meta:\n        abstract = True\n",
            "base/migrations/__init__.py": "", "full/models.py": "class Thing(models.Model):\n    pass\n",
            "full/migrations/__init__.py": "", "full/migrations/0001_initial.py": "",
        },
        ADMIN, ["migrations"],
    ),
    "SQLite, and a package for MySQL beside it": (
        project("DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3'}}\n", packages="mysqlclient==2.2\n"),
        {"app_system_packages": ["gcc", "python3-dev", "default-libmysqlclient-dev", "pkg-config"]}, [],
    ),
    "two databases": (
        project("DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql'}, 'legacy': {}}\n"), ADMIN,
            ["more databases"],
    ),
    "a second database that may be switched on": (
        project("import os\nX = {'ENGINE': 'django.db.backends.postgresql'}\nif X:\n    DATABASES = {'default': X}\n"
            "if os.environ.get('REPLICA'):\n    DATABASES['replica'] = X\n"), ADMIN, [],
    ),
    "memcached": (
        project("CACHES = {'default': {'BACKEND': 'django.core.cache.backends.memcached.PyMemcacheCache'}}\n"),
        {"app_memcached": True}, [],
    ),
    "what is compiled for development alone": (
        project() | {"requirements-dev.txt": "-r requirements.txt\nPyICU==2.14\n"},
        {"app_system_packages": ["gcc", "python3-dev", "libicu-dev", "pkg-config"]}, [],
    ),
    "Vite": (
        project("INSTALLED_APPS = ['django_vite']\n",
            package_dot_json='{"scripts": {"dev": "vite", "build": "vite build"}}',
                **{"package-lock.json": "{}"}),
        {"app_build_commands": ["npm ci", "npm run build"], "app_build_network": True,
            "app_system_packages": ["npm"]}, [],
    ),
    "a newer Node than releases have, by a file, and yarn": (
        project("INSTALLED_APPS = ['django_vite']\n", package_dot_json='{"scripts": {"build": "vite build"}}',
                _dot_nvmrc="v24.1.0\n", yarn_dot_lock=""),
        {"app_build_commands": [
            "npx --yes --package node@24 --package yarn -- env --unset=npm_config_package yarn install "
            "--frozen-lockfile",
            "npx --yes --package node@24 --package yarn -- env --unset=npm_config_package yarn run build"],
            "app_build_network": True, "app_system_packages": ["npm"]}, [],
    ),
    "a newer Node than releases have, by what TypeScript is told": (
        project("INSTALLED_APPS = ['django_vite']\n", package_dot_json=
                '{"scripts": {"build": "vite build"}, "devDependencies": {"@tsconfig/node22": "^22.0.5"}}'),
        {"app_build_commands": [
            "npx --yes --package node@22 -- env --unset=npm_config_package npm install",
            "npx --yes --package node@22 -- env --unset=npm_config_package npm run build"],
            "app_build_network": True, "app_system_packages": ["npm"]}, [],
    ),
    "a Node that all releases have": (
        project("INSTALLED_APPS = ['django_vite']\n", package_dot_json=
                '{"scripts": {"build": "x"}, "engines": {"node": ">=18 <23", "npm": ">=7"}}'),
        {"app_build_commands": ["npm install", "npm run build"], "app_build_network": True,
            "app_system_packages": ["npm"]}, [],
    ),
    "a frontend inside of the package, below manage.py": (
        moved(project() | {"mysite/frontend/package.json": '{"scripts": {"build": "vite build"}}'}, "src",
              "requirements.txt") | {".gitignore": "mysite/static/dist\n"},
        {"app_build_commands": ["npm --prefix mysite/frontend install", "npm --prefix mysite/frontend run build"],
            "app_build_network": True, "app_system_packages": ["npm"]}, [],
    ),
    "logs below a package, which its settings call their folder": (
        moved(project(
            "import os\nfrom pathlib import Path\nBASE_DIR = os.path.dirname(os.path.abspath(__file__))\n"
            "ROOT = Path(__file__).resolve().parents[1]\nTOP_DIR = Path(__file__).resolve().parent.parent.parent\n"
            "UP_DIR = os.path.join(os.path.abspath(__file__), '..', '..')\nD = os.path.join(UP_DIR, 'logs', 'd.log')\n"
            "A = os.path.join(BASE_DIR, 'logs', 'a.log')\nB = ROOT / 'var' / 'b.log'\nC = TOP_DIR / 'top' / 'c.log'\n"
        ), "api", "requirements.txt") | {".gitignore": "logs/\nvar\n/top\n"},
        {"app_writable_paths": ["api/logs", "api/mysite/logs", "api/var", "top"]}, [],
    ),
    "a program that not every release has": (project(packages="pdfkit==1.0\n"), ADMIN, []),
    "a documentation that Node builds": (
        project(docs__package_dot_json='{"scripts": {"build": "x"}}', docs___dot_gitignore="dist\n"), ADMIN, [],
    ),
    "files in S3, paths of one's own": (
        project("STATIC_URL = '/assets/'\nMEDIA_URL = 'https://cdn.example.org/'\n"
                "STORAGES = {'default': {'BACKEND': 'storages.backends.s3.S3Storage'}}\n"),
        {"web_static_url": "/assets/"}, [],
    ),
    "a folder for all data, and one with data that are committed": (
        project("from pathlib import Path\nBASE_DIR = Path(__file__).resolve().parent.parent\n"
                "DATA_DIR = folder('DATA', BASE_DIR / 'data')\nLOG_DIR = folder('LOG', DATA_DIR / 'log')\n"
                "SITE_DATA_DIR = BASE_DIR / 'countries'\nOTHER = BASE_DIR / 'other'\n",
                _dot_gitignore="data/\nother/\n", countries__a_dot_csv="x\n"),
        {"app_writable_paths": ["data"]}, [],
    ),
    "a queue in SQLite, and logs": (
        project("BASE_DIR = Path('x')\n"
            "HUEY = {'filename': os.path.join(BASE_DIR, 'data', 'tasks.sqlite3')}\n"
            "LOGGING = {'handlers': {'file': {'filename': BASE_DIR / 'var/log' / 'site.log'}}}\n"
            "DATABASES = {'default': {'NAME': BASE_DIR / 'database' / 'db.sqlite3'}}\n"
            "OTHERS = [BASE_DIR / 'site.log', BASE_DIR / 'mysite' / 'x.log', BASE_DIR / 'nowhere' / 'x.log']\n")
        | {".gitignore": "/data/\ndatabase\n", "var/log/.gitkeep": ""},
        {"app_writable_paths": ["data", "var/log"]}, [],
    ),
}  # fmt: skip
