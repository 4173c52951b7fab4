"""Variables of the environment that settings insist on, and what each is given."""

from __future__ import annotations

from .skeleton import ADMIN, Shape, project

SHAPES: dict[str, Shape] = {
    "environ, which insists": (
        project("import environ\nenv = environ.Env()\nSTRIPE = env('STRIPE_SECRET_KEY')\n"
            "HOSTS = env.list('DJANGO_ALLOWED_HOSTS')\n"
                "KEY = env('DJANGO_SECRET_KEY')\nSIZE = env.int('PAGE_SIZE')\nDATABASES = {'default': env.db()}\n"
                "OPTIONAL = env('TITLE', default='x')\n"),
        {
            "app_env": {"DJANGO_ALLOWED_HOSTS": "{{ app_domains | join(',') }}", "PAGE_SIZE": "1"},
            "app_secret_env": {
                "DJANGO_SECRET_KEY": "{{ vault_app_secret_key }}", "STRIPE_SECRET_KEY": "{{ vault_stripe_secret_key }}",
            },
        }, [],
    ),
    "decouple, names of a database's parts": (
        project("from decouple import config\nDATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', "
                "'NAME': config('DB_NAME'), 'USER': config('DB_USER'), 'PASSWORD': config('DB_PASSWORD'), "
                "'HOST': config('DB_HOST')}}\n"),
        {
            "app_env": {"DB_HOST": "{{ database_host }}", "DB_NAME": "{{ database_name }}",
                "DB_USER": "{{ database_login }}"},
            "app_secret_env": {"DB_PASSWORD": "{{ vault_database_password }}"},
        }, [],
    ),
    "SECRET_KEY by a name of one's own, which may be missing": (
        project("import os\nKEY = os.getenv('SHOP_SECRET')\nSECRET_KEY = KEY\nif not SECRET_KEY:\n    raise E\n"
                "MORE = os.getenv('OTHER_SECRET')\n"),
        {"app_secret_env": {"SHOP_SECRET": "{{ vault_app_secret_key }}"}}, [],
    ),
    "SECRET_KEY by a name of one's own, which has a default": (
        project("import os\nSECRET_KEY = os.getenv('SHOP_SECRET', 'insecure')\n"), ADMIN, [],
    ),
    "a secret that somebody takes apart": (
        project("import os\nimport sentry_sdk\nsentry_sdk.init(dsn=os.environ['SENTRY_DSN'])\n"),
        {"app_secret_env": {"SENTRY_DSN": "{{ vault_sentry_dsn }}"}}, [],
    ),
    "its own domain, of which nobody has said which": (
        project("import os\nA = os.getenv('SHOP_MAIN_DOMAIN', 'example.com')\nB = os.getenv('DOMAIN', 'localhost:80')\n"
            "C = os.getenv('SITE_DOMAIN', 'shop.our-corp.io')\nD = os.getenv('MAIL_DOMAIN', 'example.com')\n"
            "E = os.getenv('BASE_DOMAIN')\n"),
        {"app_env": {"DOMAIN": "{{ app_domains[0] }}", "SHOP_MAIN_DOMAIN": "{{ app_domains[0] }}"}}, [],
    ),
    "fields of pydantic": (
        project("from pydantic_settings import BaseSettings\n\nclass Site(BaseSettings):\n"
                "    STRIPE_KEY: str\n\n    days: int\n    TITLE: str = 'x'\n\n"
                "    class Config:\n        env_prefix = 'SHOP_'\n"),
        {"app_env": {"SHOP_DAYS": "1"}, "app_secret_env": {"SHOP_STRIPE_KEY": "{{ vault_shop_stripe_key }}"}}, [],
    ),
    "values that fly.toml gives openly": (
        project("import os\nREGION = os.environ['S3_REGION']\nTOKEN = os.environ['S3_TOKEN']\n",
                fly_dot_toml="[env]\nS3_REGION = 'arn'\nS3_TOKEN = 'not-of-here'\n"),
        {"app_env": {"S3_REGION": "arn"}, "app_secret_env": {"S3_TOKEN": "{{ vault_s3_token }}"}}, [],
    ),
    "one address of the database, or else each part of it": (
        project("import os\nimport environ\nenv = environ.Env()\nif os.environ.get('CLOUD_DATABASE_URI'):\n"
            "    DATABASES = {'default': env.db('CLOUD_DATABASE_URI')}\nelse:\n    DATABASES = {'default': "
            "{'ENGINE': env.str('DJANGO_DB_ENGINE'), 'NAME': env('DJANGO_DB_NAME'), 'USER': env('DB_USER', 'x')}}\n"
            "if 'DATABASE_URL' in os.environ:\n    pass\nelse:\n    X = env('DB_HOST')\n"),
        {"app_env": {"DJANGO_DB_ENGINE": "django.db.backends.postgresql", "DJANGO_DB_NAME": "{{ database_name }}"}}, [],
    ),
    "its own address on the computer that one develops on": (
        project("import os\nSITE_ROOT = os.getenv('SITE_ROOT', 'http://localhost:8000')\n"
            "BASE_URL = os.environ.get('APP_BASE_URL', 'https://www.example.org')\n"
            "SEARCH_URL = os.getenv('SEARCH_URL', 'http://localhost:9200')\n"),
        {"app_env": {"SITE_ROOT": "https://{{ app_domains[0] }}"}}, [],
    ),
    "values in files of examples": (
        project("import os\nREGION = os.environ['AWS_REGION']\nTITLE = os.environ['TITLE']\n",
            _dot_env_dot_example="AWS_REGION=eu-north-1\nTITLE=change-me-please\n",
                _dot_env="AWS_REGION=eu-of-mine\nTITLE=a-title-of-mine\n"),
        {"app_env": {"AWS_REGION": "eu-north-1", "TITLE": "change-me"}}, [],
    ),
}  # fmt: skip
