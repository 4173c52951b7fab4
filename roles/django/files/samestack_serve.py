"""Entry point of every web server: the application's own, which learns who asks (samestack_visitor), under a watch.

Nginx cannot tell an answer that is long in coming from one that has begun and is silent, such as a stream of events. So
it waits for both, and what takes too long to begin (web_request_timeout) is ended here, the same with every server.
"""

import asyncio
import importlib  # which module it is, is known on the machine only
import logging
import math
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

LOOK_SECONDS = 1.0
# What an import waited for, a database for one, may be there by then.
AGAIN_SECONDS = 15.0
TOO_LATE = b"<!doctype html><title>504</title><h1>This page took too long</h1><p>Please try again later.</p>"

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]


def say(text: str) -> None:
    """Write to the journal, whatever the application does to Python's logging."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def is_written(request: Any) -> bool:
    """Return whether the project's LOGGING writes to the journal what a request fails with."""
    logger = logging.getLogger("django.request")
    told = {"request": request, "status_code": 500}
    record = logger.makeRecord(logger.name, logging.ERROR, "", 0, "", (), None, extra=told)
    handlers: list[logging.Handler | None] = []
    above: logging.Logger | None = logger
    while above:
        handlers += above.handlers
        above = above.parent if above.propagate else None
    return logger.isEnabledFor(logging.ERROR) and any(
        getattr(handler, "stream", None) in (sys.stderr, sys.stdout)
        and record.levelno >= handler.level
        and handler.filter(record)
        for handler in handlers or [logging.lastResort]
        if handler
    )


def tell(request: Any = None, **_signal: Any) -> None:
    """Write what a request fails with, where the project tells a database, a mailbox or a service alone."""
    try:
        written = is_written(request)
    except Exception:  # a filter of the project's may want more of a record than this one has
        written = False
    if not written:
        say(traceback.format_exc())


def is_debugged() -> bool:
    """Return whether somebody has stopped this process to look into it: that takes the time that it takes."""
    debugger = sys.modules.get("samestack_debug")
    return bool(debugger and debugger.used)


class Watched:
    """A WSGI application in which no request keeps a thread for longer than some seconds.

    A thread cannot be ended. So its process takes no more requests, finishes the others, and makes way for a new one.
    """

    def __init__(self, application: Callable[..., Iterable[bytes]], seconds: float) -> None:
        """Take the application, and the seconds that it has to begin an answer."""
        self.application = application
        self.seconds = seconds
        # By thread: since when, and what it is asked
        self.running: dict[int, tuple[float, str]] = {}
        self.lock = threading.Lock()
        self.watched = False

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        # Not when this is imported: the process that does that may not be the one that serves.
        if not self.watched:
            self.watch()
        thread = threading.get_ident()
        self.running[thread] = (time.monotonic(), f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO', '')}")
        try:
            # Until the answer begins; the server sends the rest.
            return self.application(environ, start_response)
        finally:
            self.running.pop(thread, None)

    def watch(self) -> None:
        """Begin to look, once a process."""
        with self.lock:
            if not self.watched:
                self.watched = True
                threading.Thread(target=self.look, name="samestack-watch", daemon=True).start()

    def look(self) -> None:
        """Look for requests that take too long, until there is one."""
        late: dict[int, str] = {}
        while not late:
            time.sleep(LOOK_SECONDS)
            now, running = time.monotonic(), dict(self.running)
            late = {thread: asked for thread, (since, asked) in running.items() if now - since > self.seconds}
            if is_debugged():
                return
        self.make_way(late)

    def make_way(self, late: Mapping[int, str]) -> None:
        """End this process when the requests that are in time are answered."""
        frames = sys._current_frames()
        for thread, asked in late.items():
            where = "".join(traceback.format_stack(frames[thread])) if thread in frames else ""
            say(
                f"{asked} has not been answered within {self.seconds:.0f} s (web_request_timeout). A new process takes "
                f"the place of this one. It was here:\n{where}"
            )
        os.kill(os.getpid(), signal.SIGTERM)
        deadline = time.monotonic() + self.seconds
        while self.running.keys() - late.keys() and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS / 10)
        # What has just been answered is to be sent.
        time.sleep(LOOK_SECONDS)
        os._exit(1)


class Limited:
    """An ASGI application that answers 504 where no answer has begun after some seconds."""

    def __init__(self, application: Callable[..., Awaitable[None]], seconds: float) -> None:
        """Take the application, and the seconds that it has to begin an answer."""
        self.application = application
        self.seconds = seconds

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        """Answer a request; what is no request (a WebSocket, the lifespan) is the application's alone."""
        task = asyncio.current_task()
        if scope["type"] != "http" or task is None:
            await self.application(scope, receive, send)
            return
        late = []

        def end() -> None:
            if is_debugged():
                return
            late.append(True)
            task.cancel()

        timer = asyncio.get_running_loop().call_later(self.seconds, end)

        async def send_on(message: Message) -> None:
            timer.cancel()
            await send(message)

        try:
            await self.application(scope, receive, send_on)
        except asyncio.CancelledError:
            if not late:
                raise
            # Since Python 3.11 a task counts them.
            getattr(task, "uncancel", int)()
            await self.give_up(scope, send)
        finally:
            timer.cancel()

    async def give_up(self, scope: Message, send: Send) -> None:
        """Answer in the application's place."""
        say(
            f"{scope['method']} {scope['path']} has not been answered within {self.seconds:.0f} s (web_request_timeout)"
        )
        headers = [(b"content-type", b"text/html"), (b"content-length", str(len(TOO_LATE)).encode())]
        await send({"type": "http.response.start", "status": 504, "headers": headers})
        await send({"type": "http.response.body", "body": TOO_LATE})


class Code:
    """Live code as this process imports it: when it is another one, the process makes way for the next.

    Gunicorn's own look begins after the import, and so would not see what is saved meanwhile.
    """

    def __init__(self) -> None:
        """Look at the code, before it is imported."""
        self.top = os.path.realpath(os.getcwd())
        # Beside this file on the machine
        self.times: Callable[[str], dict[str, float]] = importlib.import_module("samestack_watch").times
        self.seen = self.times(self.top)

    def follow(self, files: Iterable[str] = (), seconds: float = math.inf) -> None:
        """Look for what is saved below the folder or in these files, and end this process then, or after a while."""
        # Granian's own look sees every file, from the beginning on.
        if os.environ.get("SAMESTACK_SERVER") != "granian":
            arguments = (list(files), time.monotonic() + seconds)
            threading.Thread(target=self.make_way, args=arguments, name="samestack-code", daemon=True).start()

    def make_way(self, files: Sequence[str], deadline: float) -> None:
        """Do that; whoever waits at a breakpoint of what is no more does not keep it."""
        beside = [saved(file) for file in files]
        while (
            time.monotonic() < deadline
            and [saved(file) for file in files] == beside
            and self.times(self.top) == self.seen
        ):
            time.sleep(LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        if is_debugged():
            time.sleep(LOOK_SECONDS)
            os._exit(0)


def saved(file: str) -> float:
    """Return when a file was saved, 0 for one that is gone."""
    try:
        return os.stat(file).st_mtime
    except OSError:
        # An editor was quicker.
        return 0


def imported(name: str) -> Callable[..., Any]:
    """Return an application by its name, as a server would."""
    module, _, attribute = name.partition(":")
    # Known on the machine only
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute or "application")
    return found


def served() -> Callable[..., Any]:
    """Return the application that the environment names, watched."""
    live = os.environ["SAMESTACK_APPLICATION"].startswith("samestack_live")
    code = Code() if live else None
    try:
        application = imported(os.environ["SAMESTACK_APPLICATION"])
        if code:
            code.follow()
    except (Exception, SystemExit) as error:
        # Who asks is who writes the code: what went wrong is shown on the page.
        if not code or os.environ.get("DEBUG", "").lower() != "true":
            raise
        say(traceback.format_exc())
        # Beside this file on the machine
        broken = importlib.import_module("samestack_broken")
        application = broken.application(error)
        code.follow(broken.files_of(error), AGAIN_SECONDS)
    # Django is the application's; the visitor stands beside this file.
    importlib.import_module("django.core.signals").got_request_exception.connect(tell)
    visitor = importlib.import_module("samestack_visitor")
    seconds = float(os.environ["SAMESTACK_REQUEST_TIMEOUT"])
    if os.environ.get("SAMESTACK_INTERFACE") == "asgi":
        return Limited(visitor.told_asgi(application), seconds)
    return Watched(visitor.told_wsgi(application), seconds)


if "SAMESTACK_APPLICATION" in os.environ:
    application = served()
