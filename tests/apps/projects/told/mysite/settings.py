"""What the machine says, read in the ways that projects have."""

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import environ

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "insecure-" * 6
QUEUE = "mysite"
# Neither takes another spelling, nor another kind of text.
DEBUG = {"True": True, "False": False}[os.environ["DEBUG"]]
PIN = os.environ["PIN"]
LIMITS = json.loads(os.environ["LIMITS"])
SIZE = int(os.environ["SIZE_OF_IT"])
SHOP = urlsplit(os.environ["SHOP_URL"]).hostname.lower()


def insisted_on():
    return os.environ["TOLD_LATE"]


LATE = insisted_on()
# None of them is set anywhere: what asks is not to be answered.
if "SEARCH_URL" in os.environ:
    raise SystemExit("somebody has set SEARCH_URL")
try:
    PAID = os.environ["PAY_KEY"]
except KeyError:
    PAID = None
else:
    raise SystemExit("somebody has set PAY_KEY")
PAGE = env.int("PAGE_SIZE", 10)
if PAGE != 10:
    raise SystemExit("somebody has set PAGE_SIZE")

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_rq",
    "visits",
]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "mysite.urls"
WSGI_APPLICATION = "mysite.wsgi.application"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
STATIC_URL = "static/"
MAILERS = {
    "default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": {"host": "mail.example.com"}},
    "news": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": {"host": "news.example.com"}},
}

CELERY_BROKER_URL = os.environ["REDIS_URL"]
CELERY_RESULT_BACKEND = os.environ["REDIS_URL"]
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": os.environ["REDIS_URL"]},
    "django-redis": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": os.environ["REDIS_URL"]},
    "environ": env.cache(),
}
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [os.environ["REDIS_URL"]]}}
}
RQ_QUEUES = {"default": {"URL": os.environ["REDIS_URL"]}}
HUEY = {"name": "mysite", "url": os.environ["REDIS_URL"]}
