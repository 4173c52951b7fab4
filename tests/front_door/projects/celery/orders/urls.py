"""A page that has something counted, and says how often that was done."""

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.urls import path

from .tasks import count


def home(_request: HttpRequest) -> HttpResponse:
    count.delay()
    return HttpResponse(f"counted {cache.get('counted', 0)} times")


urlpatterns = [path("", home)]
