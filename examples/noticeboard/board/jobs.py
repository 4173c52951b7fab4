"""Jobs for the worker: a small reliable queue on Redis lists.

A job is the primary key of a notice that has to be read. A worker moves it (``BLMOVE``) from the waiting list to a list
of its own and takes it off there when it is done, so that a worker that dies loses nothing: its list is taken back
once its sign of life, a key that expires, is gone. The pattern is the one that the Redis manual gives for ``LMOVE``
("Reliable queue"). A job may run twice, never not at all, and reading a notice twice does no harm.
"""

import hashlib
import logging
import os
import secrets
import socket

import redis
from django.apps import apps
from django.conf import settings
from django.utils import timezone

logger = logging.getLogger(__name__)

WAITING = "noticeboard:waiting"
FAILED = "noticeboard:failed"
TAKEN = "noticeboard:taken:"
ALIVE = "noticeboard:alive:"
ALIVE_SECONDS = 15


def client() -> redis.Redis:
    """Return a client for ``REDIS_URL`` that gives up after two seconds without an answer."""
    return redis.Redis.from_url(
        settings.REDIS_URL, decode_responses=True, socket_timeout=2, socket_connect_timeout=2, client_name="noticeboard"
    )


def ask(notice_pk: int) -> None:
    """Ask a worker to read a notice; with no Redis configured, read it at once.

    A queue that cannot be reached must not fail the request whose data is already saved: the timer asks again.
    """
    if not settings.REDIS_URL:
        read(notice_pk, "no worker")
        return
    try:
        with client() as queue:
            queue.lpush(WAITING, notice_pk)
    except redis.RedisError as error:
        logger.warning("notice %s waits for the next run of the timer: %s", notice_pk, error)


def read(notice_pk: int, reader: str) -> None:
    """Count a notice's words, take the checksum of its text and store both; ``reader`` names who did it.

    A notice that is gone by now is no error: there is nothing left to do.
    """
    # Not imported above: the model imports this module.
    notices = apps.get_model("board", "Notice").objects.filter(pk=notice_pk)
    body = notices.values_list("body", flat=True).first()
    if body is None:
        return
    # The text in the filter: a notice that was changed meanwhile keeps waiting for the job that the change made.
    notices.filter(body=body).update(
        word_count=len(body.split()),
        checksum=hashlib.sha256(body.encode()).hexdigest(),
        read_at=timezone.now(),
        read_by=reader,
    )


class Inbox:
    """One worker's end of the queue. All methods raise ``redis.RedisError`` when Redis does not answer."""

    def __init__(self, queue: redis.Redis) -> None:
        """Choose a name that no other worker has: host, process and a random part."""
        self.queue = queue
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.taken = TAKEN + self.name

    def sign_of_life(self) -> None:
        """Tell the other workers, for ``ALIVE_SECONDS``, that this one still works on its list."""
        self.queue.set(ALIVE + self.name, 1, ex=ALIVE_SECONDS)

    def recover(self) -> int:
        """Put jobs of workers that died back into the waiting list, in front; return how many."""
        count = 0
        for taken in self.queue.scan_iter(match=f"{TAKEN}*"):
            if self.queue.exists(ALIVE + taken.removeprefix(TAKEN)):
                continue
            while self.queue.lmove(taken, WAITING, "LEFT", "RIGHT") is not None:
                count += 1
        return count

    def take(self, seconds: float) -> str | None:
        """Wait up to ``seconds`` for the oldest job and return it, or None."""
        return self.queue.blmove(WAITING, self.taken, seconds, "RIGHT", "LEFT")

    def done(self, job: str) -> None:
        """Forget a job that is finished."""
        self.queue.lrem(self.taken, 1, job)

    def put_back(self, job: str) -> None:
        """Return a job that could not be done now; it stays the next in line."""
        with self.queue.pipeline(transaction=True) as pipe:
            pipe.lrem(self.taken, 1, job).rpush(WAITING, job).execute()

    def fail(self, job: str) -> None:
        """Lay a job aside that will never work, for a person to look at."""
        with self.queue.pipeline(transaction=True) as pipe:
            pipe.lrem(self.taken, 1, job).lpush(FAILED, job).ltrim(FAILED, 0, 999).execute()

    def leave(self) -> None:
        """Sign off, so that nobody waits for this worker's sign of life to expire."""
        self.queue.delete(ALIVE + self.name)
