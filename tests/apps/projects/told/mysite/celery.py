"""As Celery's documentation has it, and a little impatient: settings are read while the package is imported."""

import os

from celery import Celery
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
app = Celery("mysite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_default_queue = settings.QUEUE


@app.task
def add(one, other):
    return one + other
