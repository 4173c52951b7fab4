"""Pages of the notice board."""

import logging
from smtplib import SMTPException
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.mixins import PermissionRequiredMixin
from django.core.mail import EmailMessage
from django.db import DatabaseError, connection
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse_lazy
from django.utils.html import format_html
from django.views.decorators.cache import never_cache
from django.views.generic import CreateView, DetailView, FormView, ListView

from . import status
from .forms import ContactForm, NoticeForm
from .models import Notice

logger = logging.getLogger(__name__)


class Home(ListView):
    """The board: how many notices there are, and the latest."""

    template_name = "board/home.html"
    context_object_name = "notices"
    paginate_by = 9

    def get_queryset(self) -> QuerySet[Notice]:
        """Notices that hang on the board now."""
        return Notice.objects.on_the_board().select_related("category")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add what served the page."""
        server = self.request.META.get("SERVER_SOFTWARE", "")
        return super().get_context_data(**kwargs, database=status.database_version(), server=server)


class NoticePage(DetailView):
    """One notice with its attachment and the worker's result."""

    template_name = "board/notice.html"

    def get_queryset(self) -> QuerySet[Notice]:
        """Editors see notices before their time and after it; everybody else sees what hangs on the board."""
        notices = Notice.objects.select_related("category", "author")
        return notices if self.request.user.has_perm("board.change_notice") else notices.on_the_board()


class NewNotice(PermissionRequiredMixin, CreateView):
    """The form for a new notice, with an upload."""

    permission_required = "board.add_notice"
    form_class = NoticeForm
    template_name = "board/form.html"
    extra_context = {"heading": "Pin up a notice", "button": "Pin it up"}

    def form_valid(self, form: NoticeForm) -> HttpResponse:
        """Save the notice in the name of the person who is logged in."""
        form.instance.author = self.request.user
        messages.success(self.request, "Your notice is on the board.")
        return super().form_valid(form)


class Contact(FormView):
    """A form that sends an e-mail."""

    form_class = ContactForm
    template_name = "board/form.html"
    extra_context = {"heading": "Write to the caretaker", "button": "Send"}
    success_url = reverse_lazy("contact")

    def form_valid(self, form: ContactForm) -> HttpResponse:
        """Send the message, or keep it in the form and say that it could not be sent."""
        mail = EmailMessage(
            subject=f"[Notice board] {form.cleaned_data['subject']}",
            body=form.cleaned_data["message"],
            to=[settings.CONTACT_EMAIL],
            reply_to=[form.cleaned_data["sender"]],
        )
        try:
            mail.send()
        except (SMTPException, OSError):
            logger.exception("a message from the contact form could not be sent")
            form.add_error(None, "Your message could not be sent. Please try again later.")
            return self.form_invalid(form)
        messages.success(self.request, "Thank you, your message is on its way.")
        return super().form_valid(form)


@never_cache
def status_page(request: HttpRequest) -> HttpResponse:
    """What the site runs on, for people."""
    return render(request, "board/status.html", {"status": status.collect(request)})


@never_cache
def status_json(request: HttpRequest) -> JsonResponse:
    """What the site runs on, for programs."""
    return JsonResponse(status.collect(request))


@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when the database answers, else 503.

    The answer is a page with a static file in it: a broken static manifest makes it fail too, a bare "ok" would not.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        logger.exception("health check: the database does not answer")
        return render(request, "board/healthz.html", {"state": "no database"}, status=503)
    return render(request, "board/healthz.html", {"state": "ok"})


def database_page(request: HttpRequest) -> HttpResponse:
    """A page that is little more than its query, to measure how requests are served: the newest notice."""
    newest = Notice.objects.on_the_board().values_list("title", flat=True).first()
    return HttpResponse(format_html("<!doctype html>\n<title>Newest</title>\n<h1>{}</h1>\n", newest or "Nothing yet"))
