from django.conf import settings
from django.core import mail
from django.core.cache import caches
from django.http import HttpResponse, JsonResponse
from django.urls import path
from visits.models import Visit

from mysite.celery import add


def visit(request):
    """Store the visitor's address where PostgreSQL takes nothing else."""
    made = Visit.objects.create(address=request.META["REMOTE_ADDR"])
    return JsonResponse({"address": Visit.objects.get(pk=made.pk).address, "kind": type(request).__name__})


def told(request):
    print("somebody asked what it was told")
    shown = ("PIN", "LIMITS", "SIZE", "SHOP", "LATE", "DEBUG")
    return JsonResponse({name: getattr(settings, name) for name in shown})


def work(request):
    for name in caches:
        caches[name].set(name, f"by {name}")
    return JsonResponse({"sum": add.delay(2, 3).get(timeout=15), "caches": [caches[name].get(name) for name in caches]})


def send(request):
    for mailer in ("default", "news"):
        mail.EmailMessage("Hello", "…", "from@example.com", [f"{mailer}@example.com"]).send(using=mailer)
    return HttpResponse("sent")


urlpatterns = [
    path("", lambda request: HttpResponse("told")),
    path("visit/", visit),
    path("told/", told),
    path("tasks/", work),
    path("send/", send),
]
