"""Addresses of the notice board."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("board.urls")),
    # Only with DEBUG and no web server in front: otherwise Nginx serves uploads and Django never sees the request.
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
