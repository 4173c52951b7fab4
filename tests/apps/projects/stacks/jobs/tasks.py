"""The same task for every queue: it writes down that it ran."""

from celery import shared_task
from django.core.cache import cache
from huey.contrib.djhuey import task


def note(name):
    cache.set(f"done {name}", name)


by_celery = shared_task(note, name="jobs.note")
by_huey = task()(note)
