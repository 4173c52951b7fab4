"""A page, and the administration at a path that the environment decides."""

from django.conf import settings
from django.contrib import admin
from django.urls import path
from shop.notes.views import home

urlpatterns = [path("", home, name="home"), path(settings.ADMIN_URL, admin.site.urls)]
if "debug_toolbar" in settings.INSTALLED_APPS:
    from debug_toolbar.toolbar import debug_toolbar_urls

    urlpatterns += debug_toolbar_urls()
