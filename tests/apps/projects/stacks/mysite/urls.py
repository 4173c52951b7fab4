from django.urls import include, path
from jobs import views

urlpatterns = [
    path("", views.page),
    path("accounts/", include("allauth.urls")),
    path("api/", views.Api.as_view()),
    path("begin/", views.begin),
    path("done/", views.done),
]
