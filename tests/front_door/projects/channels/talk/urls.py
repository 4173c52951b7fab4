"""One page."""

from django.http import HttpRequest, HttpResponse
from django.urls import path


def home(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("<!doctype html><title>Talk</title>")


urlpatterns = [path("", home)]
