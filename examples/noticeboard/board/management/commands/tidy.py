"""``manage.py tidy``: what a timer does every few minutes."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from board import jobs
from board.models import Notice, TimerRun


class Command(BaseCommand):
    """Archive, ask again, write down that it was done."""

    help = "Archives notices that have expired, asks again for those no worker has read, and records the run."

    def handle(self, **options: Any) -> None:
        """Tidy the board once; running it again at once changes nothing but the time of the run."""
        now = timezone.now()
        archived = Notice.objects.filter(expires_at__lte=now, archived=False).update(archived=True)
        unread = list(Notice.objects.unread().values_list("pk", flat=True))
        for pk in unread:
            jobs.ask(pk)
        outcome = f"{archived} archived, {len(unread)} sent to the worker again"
        TimerRun.objects.update_or_create(name="tidy", defaults={"finished_at": timezone.now(), "outcome": outcome})
        self.stdout.write(outcome)
