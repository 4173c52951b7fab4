"""Work for later."""

from celery import shared_task
from django.core.cache import cache


@shared_task
def count() -> int:
    cache.add("counted", 0, None)
    return int(cache.incr("counted"))
