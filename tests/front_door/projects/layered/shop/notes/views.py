"""One page."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from .models import Note


def home(request: HttpRequest) -> HttpResponse:
    return render(request, "home.html", {"notes": Note.objects.count()})
