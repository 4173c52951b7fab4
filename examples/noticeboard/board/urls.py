"""Addresses of the board's own pages."""

from django.contrib.auth import views as auth_views
from django.urls import path

from . import views

urlpatterns = [
    path("", views.Home.as_view(), name="home"),
    path("notices/<int:pk>/", views.NoticePage.as_view(), name="notice"),
    path("new/", views.NewNotice.as_view(), name="new"),
    path("contact/", views.Contact.as_view(), name="contact"),
    path(
        "login/",
        auth_views.LoginView.as_view(template_name="board/login.html", redirect_authenticated_user=True),
        name="login",
    ),
    path("logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("status/", views.status_page, name="status"),
    path("status.json", views.status_json, name="status-json"),
    path("healthz/", views.healthz, name="healthz"),
    path("db/", views.database_page, name="db"),
]
