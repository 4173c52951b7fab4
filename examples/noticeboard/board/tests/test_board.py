"""The board without a server stack: SQLite, no Redis. Run with ``DEBUG=true ./manage.py test``."""

import hashlib
from datetime import timedelta
from io import StringIO
from tempfile import TemporaryDirectory
from unittest.mock import patch

import redis
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import TestCase, override_settings
from django.urls import reverse
from django.utils import timezone

from board import jobs
from board.models import Category, Notice, TimerRun

PLAIN_STATIC = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}


@override_settings(REDIS_URL="", STORAGES=PLAIN_STATIC)
class BoardTestCase(TestCase):
    """A category, a user who may do everything, and a way to make notices."""

    @classmethod
    def setUpTestData(cls):
        """Use what the data migration made."""
        cls.category = Category.objects.get(slug="general")
        cls.editor = get_user_model().objects.create_superuser("editor")

    def make(self, **values):
        """Save a notice and run what waits for the commit."""
        with self.captureOnCommitCallbacks(execute=True):
            return Notice.objects.create(**{"title": "A", "body": "one two", "category": self.category, **values})


class PageTests(BoardTestCase):
    """Public pages."""

    def test_home_counts_what_hangs_on_the_board(self):
        now = timezone.now()
        self.make(title="Not yet", published_at=now + timedelta(hours=1))
        self.make(title="No longer", expires_at=now - timedelta(hours=1))
        self.make(title="Now")
        page = self.client.get(reverse("home"))
        self.assertContains(page, "2 notices")
        self.assertContains(page, "Now")
        self.assertContains(page, "UTC")
        self.assertNotContains(page, "Not yet")
        self.assertNotContains(page, "No longer")

    def test_notice_before_its_time_is_for_editors(self):
        notice = self.make(published_at=timezone.now() + timedelta(hours=1))
        self.assertEqual(self.client.get(notice.get_absolute_url()).status_code, 404)
        self.client.force_login(self.editor)
        self.assertEqual(self.client.get(notice.get_absolute_url()).status_code, 200)

    def test_other_pages_answer(self):
        for name in ("healthz", "status", "db", "contact", "login"):
            with self.subTest(name):
                self.assertEqual(self.client.get(reverse(name)).status_code, 200)

    def test_status_as_json(self):
        status = self.client.get(reverse("status-json")).json()
        self.assertEqual(status["time"]["zone"], "UTC")
        self.assertEqual(status["database"]["notices"], 1)
        self.assertEqual(status["redis"], {"configured": False, "reachable": False, "version": None, "waiting": None})
        self.assertIsNone(status["timer"])

    def test_contact_sends_mail(self):
        message = {"sender": "reader@example.org", "subject": "Hello", "message": "There"}
        self.assertRedirects(self.client.post(reverse("contact"), message), reverse("contact"))
        self.assertEqual(mail.outbox[0].reply_to, ["reader@example.org"])

    def test_contact_says_that_mail_is_down(self):
        message = {"sender": "reader@example.org", "subject": "Hello", "message": "There"}
        with patch("board.views.EmailMessage.send", side_effect=ConnectionRefusedError), self.assertLogs("board.views"):
            self.assertContains(self.client.post(reverse("contact"), message), "could not be sent")


class UploadTests(BoardTestCase):
    """The form with a file."""

    def post(self, name, content):
        """Send the form with one file, uploads in a folder that goes away."""
        upload = SimpleUploadedFile(name, content)
        fields = {"title": "With file", "category": self.category.pk, "body": "see file", "attachment": upload}
        with TemporaryDirectory() as folder, override_settings(MEDIA_ROOT=folder):
            return self.client.post(reverse("new"), fields)

    def test_needs_login(self):
        self.assertRedirects(self.client.get(reverse("new")), f"{reverse('login')}?next={reverse('new')}")

    def test_file_is_kept(self):
        self.client.force_login(self.editor)
        self.assertEqual(self.post("plan.txt", b"plan").status_code, 302)
        notice = Notice.objects.get(title="With file")
        self.assertEqual(notice.author, self.editor)
        self.assertRegex(notice.attachment.name, r"^attachments/\d{4}/\d\d/plan\.txt$")

    def test_what_a_browser_would_run_is_refused(self):
        self.client.force_login(self.editor)
        self.assertContains(self.post("page.html", b"<script>"), "not allowed")


class WorkerTests(BoardTestCase):
    """What is asked of the worker, and what it does."""

    def test_without_redis_a_notice_is_read_at_once(self):
        notice = self.make(body="three little words")
        notice.refresh_from_db()
        self.assertEqual(notice.word_count, 3)
        self.assertEqual(notice.checksum, hashlib.sha256(b"three little words").hexdigest())

    def test_a_change_is_read_again(self):
        notice = self.make()
        notice.body = "one two three"
        with self.captureOnCommitCallbacks(execute=True):
            notice.save()
        notice.refresh_from_db()
        self.assertEqual(notice.word_count, 3)

    def test_a_notice_that_is_gone_is_no_error(self):
        jobs.read(0, "test")

    @override_settings(REDIS_URL="redis://localhost:1")
    def test_redis_down_loses_nothing(self):
        with patch.object(redis.Redis, "lpush", side_effect=redis.ConnectionError), self.assertLogs("board.jobs"):
            notice = self.make()
        self.assertIn(notice, Notice.objects.unread())

    def test_worker_needs_redis(self):
        with self.assertRaisesMessage(CommandError, "REDIS_URL"):
            call_command("run_worker")


class TimerTests(BoardTestCase):
    """The tidy command."""

    def test_tidy_archives_reads_and_records(self):
        expired = self.make(expires_at=timezone.now() - timedelta(minutes=1))
        call_command("tidy", stdout=StringIO())
        expired.refresh_from_db()
        self.assertTrue(expired.archived)
        self.assertFalse(Notice.objects.unread().exists())
        self.assertEqual(TimerRun.objects.get().outcome, "1 archived, 1 sent to the worker again")

    def test_seed_adds_only_what_is_missing(self):
        for _ in range(2):
            call_command("seed", "--notices=30", stdout=StringIO())
        self.assertEqual(Notice.objects.filter(title__startswith="Example notice").count(), 30)
