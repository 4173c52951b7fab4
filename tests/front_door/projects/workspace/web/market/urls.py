"""One page."""

import prices
from django.http import HttpRequest, HttpResponse
from django.urls import path


def home(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"an apple costs {prices.APPLE}")


urlpatterns = [path("", home)]
