import django_rq
from django.core.cache import cache
from django.http import HttpResponse, JsonResponse
from django.templatetags.static import static
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from django_q.tasks import async_task
from django_ratelimit.core import is_ratelimited
from rest_framework.response import Response
from rest_framework.views import APIView

from . import tasks

NAMES = ["Celery", "beat", "django-q2", "RQ", "Huey"]


class Api(APIView):
    def get(self, request):
        return Response({"address": request.META["REMOTE_ADDR"]})


def page(request):
    limited = is_ratelimited(request, group="page", key="ip", rate="1000/s", increment=True)
    return HttpResponse(f"{static('jobs/site.css')} {limited}")


def begin(request):
    cache.delete_many([f"done {name}" for name in NAMES])
    tasks.by_celery.delay("Celery")
    every, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.update_or_create(
        name="beat", defaults={"task": "jobs.note", "interval": every, "args": '["beat"]'}
    )
    async_task("jobs.tasks.note", "django-q2")
    django_rq.enqueue(tasks.note, "RQ")
    tasks.by_huey("Huey")
    return HttpResponse("begun")


def done(request):
    return JsonResponse({name: cache.get(f"done {name}") for name in NAMES})
