"""``manage.py seed``: fill the board for a demonstration or a measurement."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from board import jobs
from board.models import Category, Notice

WORDS = "the lift on the left side is out of order until further notice please use the stairs or the door at the back"


class Command(BaseCommand):
    """Example notices, always the same ones."""

    help = "Adds numbered example notices until there are as many as asked for."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the number of example notices."""
        parser.add_argument("--notices", type=int, default=200, metavar="N", help="how many (default: %(default)s)")

    def handle(self, notices: int, **options: Any) -> None:
        """Create the example notices that are missing."""
        now = timezone.now()
        categories = list(Category.objects.all())
        titles = [f"Example notice {number}" for number in range(1, notices + 1)]
        present = set(Notice.objects.filter(title__in=titles).values_list("title", flat=True))
        missing = [
            Notice(
                title=title,
                body=" ".join([WORDS] * (number % 5 + 1)).capitalize() + ".",
                category=categories[number % len(categories)],
                published_at=now - timedelta(hours=number),
            )
            for number, title in enumerate(titles, start=1)
            if title not in present
        ]
        for notice in Notice.objects.bulk_create(missing):
            jobs.ask(notice.pk)
        self.stdout.write(f"{len(missing)} notices added, {len(present)} were there")
