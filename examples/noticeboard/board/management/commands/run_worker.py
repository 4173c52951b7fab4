"""``manage.py run_worker``: read notices as they come, until SIGTERM."""

import logging
import signal
import time
from types import FrameType
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from board import jobs

logger = logging.getLogger("board.worker")

WAIT_SECONDS = 1  # for a job; also the longest time that an idle worker takes to stop
RETRY_SECONDS = 1


class Command(BaseCommand):
    """The worker: one process, one job at a time."""

    help = "Reads notices that were saved: counts words and takes a checksum. Stops after the job in hand on SIGTERM."
    stopping = False

    def handle(self, **options: Any) -> None:
        """Work until told to stop; an outage of Redis or of the database is waited out.

        :raises CommandError: no ``REDIS_URL`` is set.
        """
        if not settings.REDIS_URL:
            raise CommandError("REDIS_URL is not set: without Redis notices are read at once and no worker is needed.")
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        with jobs.client() as queue:
            inbox = jobs.Inbox(queue)
            logger.info("worker %s is ready", inbox.name)
            while not self.stopping:
                try:
                    self.work(inbox)
                except redis.RedisError as error:
                    logger.warning("Redis does not answer, trying again: %s", error)
                    time.sleep(RETRY_SECONDS)
            self.sign_off(inbox)

    def stop(self, signum: int, frame: FrameType | None) -> None:
        """Remember that the worker is to stop: the job in hand is finished first."""
        self.stopping = True

    def work(self, inbox: jobs.Inbox) -> None:
        """Take back what dead workers left, then do one job if there is one."""
        inbox.sign_of_life()
        if recovered := inbox.recover():
            logger.info("took back %s job(s) of workers that died", recovered)
        job = inbox.take(WAIT_SECONDS)
        if job is None:
            return
        # A connection that has outlived CONN_MAX_AGE, or that the server closed, is replaced before it is used.
        close_old_connections()
        try:
            jobs.read(int(job), inbox.name)
        except (OperationalError, InterfaceError) as error:
            logger.warning("the database does not answer, trying again: %s", error)
            connection.close()
            inbox.put_back(job)
            time.sleep(RETRY_SECONDS)
        except Exception:
            # One bad job must not stop all the others.
            logger.exception("job %r failed and was laid aside", job)
            inbox.fail(job)
        else:
            inbox.done(job)
            logger.info("read notice %s", job)

    def sign_off(self, inbox: jobs.Inbox) -> None:
        """Leave the queue; without Redis the sign of life expires by itself."""
        try:
            inbox.leave()
        except redis.RedisError as error:
            logger.warning("could not sign off: %s", error)
        logger.info("worker %s has stopped", inbox.name)
