"""A site that is a member of a workspace, beside the library that it uses."""

import os

SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "market.urls"
WSGI_APPLICATION = "market.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
