"""The board as a Django application."""

from django.apps import AppConfig


class BoardConfig(AppConfig):
    """Notices, their categories, the worker that reads them and the timer that tidies up."""

    name = "board"
    verbose_name = "Notice board"
