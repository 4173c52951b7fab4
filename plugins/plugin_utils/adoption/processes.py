"""What runs beside the web server, as the code says it: workers of queues, their schedulers, and jobs by the clock."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .finding import Finding, unit_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .finding import Sureness
    from .source import Source

#: What makes a Celery application, and where its schedule may stand
CELERY = re.compile(r"^[ \t]*(\w+)\s*(?::[^=\n]+)?=\s*(?:celery\.)?Celery\(", re.MULTILINE)
SCHEDULES = ("CELERY_BEAT_SCHEDULE", "CELERYBEAT_SCHEDULE", "CELERY_BEAT_SCHEDULER", "beat_schedule")
IN_CODE = r"\bbeat_schedule\b|add_periodic_task\(|@periodic_task\b"
TABLES = "django_celery_beat"


@dataclass(frozen=True)
class Queue:
    """A queue that is one command for the worker, known by an installed app.

    Attributes:
        title: its name for people.
        apps: what is in INSTALLED_APPS.
        command: the arguments of manage.py.
        name: the worker's.
        options: more that is decided for the worker.
    """

    title: str
    apps: tuple[str, ...]
    command: str
    name: str
    options: dict[str, Any] = field(default_factory=dict)


QUEUES = (
    Queue("Dramatiq", ("django_dramatiq",), "rundramatiq", "dramatiq"),
    Queue("django-q", ("django_q",), "qcluster", "q", {"stop_timeout": "10m"}),
    Queue("Procrastinate", ("procrastinate.contrib.django",), "procrastinate worker", "procrastinate"),
    Queue("django-tasks", ("django_tasks.backends.database", "django_tasks_db"), "db_worker", "tasks"),
    Queue("django-background-tasks", ("background_task",), "process_tasks", "tasks"),
)


def found(source: Source) -> Iterator[Finding]:
    """Yield the processes that the code needs."""
    yield from _celery(source)
    yield from _rq(source)
    yield from _huey(source)
    for queue in QUEUES:
        app = source.app(*queue.apps)
        if app:
            worker = {"command": f"python manage.py {queue.command}", **queue.options}
            yield _worker(queue.title, queue.name, worker, source.settings.apps()[app])
    yield from _apscheduler(source)
    yield from _crontabs(source)


def _worker(title: str, name: str, worker: dict[str, Any], place: str, sure: Sureness = "sure") -> Finding:
    note = "single: it must not run twice" if worker.get("single") else ""
    return Finding(f"worker ({title})", worker["command"], place, sure, {"app_workers": {name: worker}}, note)


def celery_application(source: Source) -> tuple[str, str]:
    """Return what `celery -A` is given and `file:line` of the application; "" and "" where there is none."""
    made = [(name, match) for name, text in source.code.items() if (match := CELERY.search(text))]
    # The project's own: beside the settings, in celery.py, nearest first
    package = source.project.settings.split(".", maxsplit=1)[0]
    made.sort(key=lambda one: (f"{package}/" not in one[0], "celery" not in one[0], one[0].count("/"), one[0]))
    for name, match in made:
        module = source.module_of(name)
        if module:
            place = f"{name}:{source.code[name][: match.start()].count(chr(10)) + 1}"
            variable = match[1]
            if module.rpartition(".")[2] == "celery" and variable in ("app", "celery"):
                return module.rpartition(".")[0] or module, place
            return module if variable in ("app", "celery") else f"{module}:{variable}", place
    return "", ""


def _celery(source: Source) -> Iterator[Finding]:
    if not source.has("celery"):
        return
    application, place = celery_application(source)
    if not application:
        return
    yield _worker("Celery", "queue", {"command": f"celery -A {application} worker --loglevel INFO"}, place)
    tables = source.app(TABLES)
    said = next((where for name in SCHEDULES if (where := source.settings.said(name))), None)
    scheduled = source.settings.apps()[tables] if tables else said.place if said else source.mentioned(IN_CODE)
    if not scheduled:
        return
    scheduler = source.settings.value("CELERY_BEAT_SCHEDULER")
    own = isinstance(scheduler, str) and TABLES in scheduler
    if tables and not own:
        ending = " --scheduler django_celery_beat.schedulers:DatabaseScheduler"
    else:
        ending = "" if own else ' --schedule "$APP_DATA_PATH/beat"'
    beat = {"command": f"celery -A {application} beat --loglevel INFO{ending}", "single": True}
    yield _worker("Celery beat", "beat", beat, scheduled)


def _rq(source: Source) -> Iterator[Finding]:
    app = source.app("django_rq")
    if not app:
        return
    said = source.settings.said("RQ_QUEUES")
    known = source.settings.value("RQ_QUEUES")
    names = [name for name in known if name.isidentifier() or "-" in name] if isinstance(known, dict) else []
    place = said.place if said else source.settings.apps()[app]
    yield _worker("RQ", "rq", {"command": f"python manage.py rqworker {' '.join(names or ['default'])}"}, place)
    if source.has("rq-scheduler", "django-rq-scheduler"):
        scheduler = {"command": "python manage.py rqscheduler", "single": True}
        where = source.package_place(source.has("rq-scheduler", "django-rq-scheduler"))
        yield _worker("RQ scheduler", "rq-scheduler", scheduler, where, "likely")


def _huey(source: Source) -> Iterator[Finding]:
    app = source.app("huey.contrib.djhuey", "bx_django_utils.huey")
    if not app:
        return
    periodic = source.mentioned(r"@(?:db_)?periodic_task\(|\bcrontab\(")
    worker: dict[str, Any] = {"command": "python manage.py run_huey"}
    if periodic:
        worker["single"] = True
    yield _worker("Huey", "huey", worker, source.settings.apps()[app])


def _apscheduler(source: Source) -> Iterator[Finding]:
    if not source.has("apscheduler", "django-apscheduler"):
        return
    for name, text in source.code.items():
        command = re.search(r"management/commands/(\w+)\.py$", name)
        if command and "BlockingScheduler(" in text:
            worker = {"command": f"python manage.py {command[1]}", "single": True}
            place = source.place(name, "BlockingScheduler(")
            yield _worker("APScheduler", unit_word(command[1]), worker, place, "likely")


def _crontabs(source: Source) -> Iterator[Finding]:
    """Yield what apps that keep a crontab would run: systemd's timers do it here."""
    if source.app("django_cron"):
        timer = {"command": "python manage.py runcrons", "schedule": "*:0/5"}
        place = source.settings.apps()[source.app("django_cron")]
        yield Finding("timer (django-cron)", timer["command"], place, "likely", {"app_timers": {"runcrons": timer}})
    said = source.settings.said("CRONJOBS")
    jobs = source.settings.value("CRONJOBS")
    if not source.app("django_crontab") or not said or not isinstance(jobs, list):
        return
    for job in jobs:
        # The third is a list of arguments.
        given = job if isinstance(job, list) else []
        flat = [one for part in given for one in (part if isinstance(part, list) else [part])]
        parts = [part for part in flat if isinstance(part, str)]
        if not parts[1:]:
            continue
        schedule, function, *words = calendar(parts[0]), *parts[1:]
        if function.endswith("call_command") and words:
            command, name = f"python manage.py {words[0]}", unit_word(words[0])
        else:
            module, _, last = function.rpartition(".")
            command = f"python manage.py shell -c 'from {module} import {last}; {last}()'"
            name = unit_word(last)
        if schedule:
            timer = {"command": command, "schedule": schedule}
            yield Finding("timer (django-crontab)", f"{command}, {schedule}", said.place, "likely",
                          {"app_timers": {name: timer}})  # fmt: skip


#: cron's words, and systemd's
WORDS = {
    "@hourly": "hourly", "@daily": "daily", "@midnight": "daily", "@weekly": "weekly", "@monthly": "monthly",
    "@yearly": "yearly", "@annually": "yearly",
}  # fmt: skip
DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
FIELD = re.compile(r"\*|(?:\*|\d+(?:-\d+)?)/\d+|\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*")
FIELDS = 5


def calendar(line: str) -> str:
    """Return systemd's calendar expression for the five fields of a crontab, or a word of it; "" for anything else."""
    if line.strip() in WORDS:
        return WORDS[line.strip()]
    parts = line.split()
    if len(parts) != FIELDS:
        return ""
    minute, hour, day, month, weekday = parts
    named = {name.lower(): str(number) for number, name in enumerate(DAYS[:-1])}
    weekday = re.sub(r"[A-Za-z]{3}", lambda found: named.get(found[0].lower(), "x"), weekday)
    if not all(FIELD.fullmatch(part) for part in (minute, hour, day, month, weekday)) or "/" in weekday:
        return ""
    # Either of two fields, in cron's reading: a calendar says both.
    if day != "*" and weekday != "*":
        return ""
    try:
        days = "" if weekday == "*" else re.sub(r"\d+", lambda found: DAYS[int(found[0])], weekday).replace("-", "..")
    except IndexError:
        return ""
    date = "" if day == month == "*" else f"*-{_field(month, first=1)}-{_field(day, first=1)}"
    return " ".join(part for part in (days, date, f"{_field(hour)}:{_field(minute)}") if part)


def _field(text: str, first: int = 0) -> str:
    if text.startswith("*/"):
        return f"{first}/{text[2:]}"
    return re.sub(r"\b\d\b", lambda found: found[0].zfill(2), text).replace("-", "..")
