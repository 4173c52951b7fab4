"""What the board keeps: categories, notices and the last run of each timer."""

from datetime import datetime
from functools import partial
from pathlib import PurePath
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.validators import FileExtensionValidator
from django.db import models, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from . import jobs

# Uploads are served from the site's own origin: nothing that a browser would run (HTML, SVG) is accepted.
ATTACHMENT_TYPES = ["csv", "gif", "jpeg", "jpg", "ods", "odt", "pdf", "png", "txt", "webp"]
ATTACHMENT_MAX_BYTES = 5 * 1024 * 1024


def check_size(upload: File) -> None:
    """Refuse an upload larger than ``ATTACHMENT_MAX_BYTES``.

    :raises ValidationError: the file is too large.
    """
    if upload.size > ATTACHMENT_MAX_BYTES:
        raise ValidationError(f"The file is larger than {ATTACHMENT_MAX_BYTES // 1024 // 1024} MB.")


class Category(models.Model):
    """A heading that notices are sorted under."""

    name = models.CharField(max_length=50, unique=True)
    slug = models.SlugField(unique=True)

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name


class NoticeQuerySet(models.QuerySet["Notice"]):
    """Notices by their place in time."""

    def on_the_board(self, now: datetime | None = None) -> "NoticeQuerySet":
        """Published, not yet expired and not archived; ``now`` is an aware time, the present one by default."""
        now = now or timezone.now()
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), published_at__lte=now, archived=False)

    def unread(self) -> "NoticeQuerySet":
        """Saved, but not yet read by a worker."""
        return self.filter(read_at=None)


class Notice(models.Model):
    """One notice, with what the worker found out about its text."""

    title = models.CharField(max_length=120)
    body = models.TextField()
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="notices")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, editable=False
    )
    published_at = models.DateTimeField(
        default=timezone.now, db_index=True, help_text="In UTC. A time to come keeps the notice back until then."
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="In UTC. Leave empty to keep the notice up.")
    attachment = models.FileField(
        upload_to="attachments/%Y/%m/",
        blank=True,
        validators=[FileExtensionValidator(ATTACHMENT_TYPES), check_size],
        help_text=f"Up to {ATTACHMENT_MAX_BYTES // 1024 // 1024} MB: {', '.join(ATTACHMENT_TYPES)}.",
    )
    archived = models.BooleanField(default=False, editable=False)

    # Defaults in the database too: the release before these fields can still insert rows after the migration.
    word_count = models.PositiveIntegerField(null=True, editable=False)
    checksum = models.CharField("SHA-256 of the text", max_length=64, editable=False, default="", db_default="")
    read_at = models.DateTimeField(null=True, editable=False)
    read_by = models.CharField(max_length=100, editable=False, default="", db_default="")

    objects = NoticeQuerySet.as_manager()

    class Meta:
        ordering = ("-published_at", "-pk")
        get_latest_by = "published_at"

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        """The address of the notice's own page."""
        return reverse("notice", args=[self.pk])

    @property
    def attachment_name(self) -> str:
        """The attachment's file name without its folder."""
        return PurePath(self.attachment.name).name

    def save(self, **kwargs: Any) -> None:
        """Save the notice and, once that is committed, ask a worker to read it."""
        self.read_at = None
        super().save(**kwargs)
        transaction.on_commit(partial(jobs.ask, self.pk))


class TimerRun(models.Model):
    """The last run of a timer."""

    name = models.CharField(max_length=50, unique=True)
    finished_at = models.DateTimeField()
    outcome = models.CharField(max_length=200)

    def __str__(self) -> str:
        return self.name
