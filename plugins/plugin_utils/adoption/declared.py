"""What a project says to others that run it: Procfile, fly.toml, Kamal, compose, Heroku's app.json, systemd, crontabs.

Of variables the names alone are read, and of commands those of the application: servers, databases and proxies are
Samestack's business here.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
import tomllib
from typing import TYPE_CHECKING, Any

import yaml

from .finding import Finding, unit_word
from .processes import calendar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .source import Source

PROCFILE = re.compile(r"^([A-Za-z][\w-]*):\s*(.+)$")
#: What serves the site, prepares it, or is for development
SERVERS = re.compile(
    r"\b(gunicorn|uvicorn|daphne|hypercorn|granian|uwsgi|waitress(-serve)?|runserver\w*|nginx|caddy)\b"
)
OURS = re.compile(
    r"\bmanage\.py (migrate|collectstatic|check|createcachetable|wait_for_db)\b|"
    r"\b(npm|yarn|pnpm|webpack|vite|flower|watch|watchmedo|watchfiles)\b|--reload\b"
)
BEGINNINGS = re.compile(
    r"^((source|\.) \S*activate (&&|;)|exec|"
    r"(poetry|uv|pipenv|pdm|rye|hatch) run|newrelic-admin run-program|ddtrace-run|honcho start|nice( -n \d+)?|"
    r"bin/start-pgbouncer(-stunnel)?|opentelemetry-instrument|[A-Z_][A-Z0-9_]*=\S+|/\S*?/bin/(?=python|celery))\s*"
)
PYTHON = re.compile(r"^(/\S*/)?python3?(\.\d+)? ")
#: What a command does, by which two of them are the same one
KINDS = {
    "celery beat": r"\bcelery\b.*\bbeat\b", "celery worker": r"\bcelery\b.*\bworker\b",
    "rqworker": r"\brqworker|\brq worker", "rqscheduler": r"rqscheduler", "huey": r"run_huey|huey_consumer",
    "qcluster": r"\bqcluster\b",
    "dramatiq": r"dramatiq", "procrastinate": r"\bprocrastinate\b", "db_worker": r"\bdb_worker\b",
    "process_tasks": r"\bprocess_tasks\b",
}  # fmt: skip
SINGLE = ("celery beat", "rqscheduler")
#: Images whose service Samestack has, or has not
IMAGES = {
    "redis": "redis", "valkey": "redis", "postgis": "postgis", "pgvector": "pgvector", "postgres": "",
    "memcached": "memcached", "mysql": "MySQL", "mariadb": "MariaDB", "rabbitmq": "RabbitMQ",
    "elasticsearch": "Elasticsearch",
    "opensearch": "OpenSearch", "meilisearch": "Meilisearch", "typesense": "Typesense", "mongo": "MongoDB",
    "minio": "MinIO",
    "kafka": "Kafka", "solr": "Solr", "clickhouse": "ClickHouse",
}  # fmt: skip
DECIDED: dict[str, dict[str, Any]] = {
    "redis": {"app_redis": True}, "memcached": {"app_memcached": True}, "postgis": {"database_extensions": ["postgis"]},
    "pgvector": {"database_extensions": ["vector"]},
}  # fmt: skip
COMPOSE = re.compile(r"^((docker/|deploy/|deployment/)?(docker-)?compose([.\-_]\w+)*\.ya?ml|(production|prod)\.ya?ml)$")
FOR_PEOPLE = re.compile(r"local|dev|test|override|ci|debug", re.IGNORECASE)
UNIT = re.compile(r"\.service$")
CRONTAB = re.compile(r"(^|/)(crontab(\.\w+)?|[\w-]+\.cron(tab)?|cron\.d/[\w.-]+)$")
CRON_LINE = re.compile(r"^(@\w+|(?:\S+\s+){4}\S+)\s+(.+)$")
COMMAND_OF = re.compile(r"manage\.py\s+(\S+)|celery\b.*?\s(worker|beat)\b|-m\s+(\S+)|(\S+)$")


def found(source: Source) -> Iterator[Finding]:
    """Yield what the files say; of what several say, the first counts."""
    yield from _procfile(source)
    yield from _fly(source)
    yield from _kamal(source)
    yield from _heroku(source)
    yield from _render(source)
    yield from _units(source)
    yield from _compose(source)
    yield from _crontabs(source)


def values(source: Source) -> dict[str, tuple[str, str]]:
    """Return the values of variables that files for others give openly, and where; what is secret is not in them."""
    heroku = _json(source, "app.json").get("env")
    render = _yaml(source, "render.yaml").get("services")
    kamal = _yaml(source, "config/deploy.yml").get("env")
    listed = [one for service in _dicts(render) for one in _dicts(service.get("envVars"))]
    given: tuple[tuple[str, Any], ...] = (
        ("fly.toml", _toml(source, "fly.toml").get("env")),
        ("config/deploy.yml", kamal.get("clear") if isinstance(kamal, dict) else None),
        ("render.yaml", {str(one.get("key")): one.get("value") for one in listed}),
        ("app.json", heroku),
    )
    found: dict[str, tuple[str, str]] = {}
    for file, names in given:
        for name, value in names.items() if isinstance(names, dict) else ():
            text = value.get("value") if isinstance(value, dict) else value
            if isinstance(text, str | int | float) and str(text):
                found.setdefault(str(name), (str(text), source.place(file, str(name))))
    return found


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def kind_of(command: str) -> str:
    """Return what a command does, or the command itself."""
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, command)), command)


def plain(command: str) -> str:
    """Return a command as it is written here: without what starts programs elsewhere."""
    text = " ".join(command.replace("\\\n", " ").split())
    while (shorter := BEGINNINGS.sub("", text)) != text:
        text = shorter
    inner = re.fullmatch(r"(?:/bin/)?(?:ba)?sh -l?c (['\"])(.+)\1", text)
    return plain(inner[2]) if inner else PYTHON.sub("python ", text)


def worker(name: str, command: str, place: str, file: str) -> Finding | None:
    """Return the worker that a command is, None for what serves, prepares or is not run all the time."""
    text = plain(command)
    if not text or SERVERS.search(text) or OURS.search(text) or text.startswith(("/", "./", "bash ", "sh ")):
        return None
    values: dict[str, Any] = {"command": text}
    note = ""
    if kind_of(text) in SINGLE:
        values["single"] = True
        note = "single: it must not run twice"
        if kind_of(text) == "celery beat" and not re.search(r"DatabaseScheduler|--scheduler|-S |--schedule|-s ", text):
            values["command"] = f'{text} --schedule "$APP_DATA_PATH/beat"'
    return Finding(f"worker ({file})", text, place, "sure", {"app_workers": {unit_word(name): values}}, note)


def release(commands: list[str], place: str, file: str) -> Iterator[Finding]:
    """Yield what is run once for a release, without what every deployment does."""
    parts = [plain(part) for command in commands for part in re.split(r"\s*(?:&&|;)\s*", command)]
    own = [part for part in parts if part and not OURS.search(part) and not part.startswith(("set ", "echo "))]
    if own:
        yield Finding(f"at a release ({file})", " && ".join(own), place, "likely", {"app_after_migrate_commands": own})


def timer(command: str, schedule: str, place: str, file: str) -> Finding | None:
    """Return the timer for a line of a crontab, None where it is none of the application's."""
    text = plain(re.sub(r"^cd \S+ && |\s*(?:>>?|2>&1|\|).*$", "", command.strip()))
    text = re.sub(r"^.*?(?=python|manage\.py|celery)", "", text)
    text = re.sub(r"(?<!\S)\S*/manage\.py", "manage.py", text)
    if "manage.py" not in text or SERVERS.search(text):
        return None
    if not text.startswith("python"):
        text = f"python {text}"
    when = calendar(schedule)
    named = re.search(r"manage\.py\s+(\S+)", text)
    name = unit_word(named[1] if named else "job")
    if not when:
        note = (
            f"its times ({schedule}) are not understood: write app_timers: {{{name}: {{command: {text}, schedule: …}}}}"
        )
        return Finding(f"timer ({file})", text, place, "guess", note=note)
    values = {"command": text, "schedule": when}
    return Finding(f"timer ({file})", f"{text}, {when}", place, "likely", {"app_timers": {name: values}})


def image(name: str, place: str, file: str) -> Finding | None:
    """Return what a container's image means here, None for one that says nothing."""
    base = posixpath.basename(name.split("@", maxsplit=1)[0]).split(":")[0].lower()
    key = next((one for one in IMAGES if one in base), None)
    if not key or not IMAGES[key]:
        return None
    if key in DECIDED or IMAGES[key] in DECIDED:
        service = IMAGES[key]
        return Finding(f"service ({file})", service, place, "likely", DECIDED[service])
    note = f"Samestack has no {IMAGES[key]}: give the app the address of one of your own"
    return Finding(f"service ({file})", IMAGES[key], place, note=note, problem=True)


def _procfile(source: Source) -> Iterator[Finding]:
    name = next((one for one in ("Procfile", "Procfile.prod", "Procfile.production") if source.text(one)), "")
    for number, line in enumerate(source.text(name).splitlines() if name else [], 1):
        match = PROCFILE.match(line)
        if not match or match[1] in ("web", "css", "js", "assets"):
            continue
        place = f"{name}:{number}"
        if match[1] in ("release", "postdeploy"):
            yield from release([match[2]], place, name)
        elif one := worker(match[1], match[2], place, name):
            yield one


def _fly(source: Source) -> Iterator[Finding]:
    content = _toml(source, "fly.toml")
    processes = content.get("processes", {})
    for name, command in processes.items() if isinstance(processes, dict) else ():
        place = source.place("fly.toml", str(command)[:40])
        if isinstance(command, str) and (one := worker(name, command, place, "fly.toml")):
            yield one
    command = content.get("deploy", {}).get("release_command")
    if isinstance(command, str):
        yield from release([command], source.place("fly.toml", "release_command"), "fly.toml")
    mounts = content.get("mounts", [])
    for mount in mounts if isinstance(mounts, list) else [mounts]:
        where = mount.get("destination") if isinstance(mount, dict) else None
        if where:
            note = "a folder that stays: uploads belong into MEDIA_ROOT, other files into APP_DATA_PATH (docs/data.md)"
            yield Finding("volume (fly.toml)", str(where), source.place("fly.toml", str(where)), "guess", note=note)


def _kamal(source: Source) -> Iterator[Finding]:
    file = "config/deploy.yml"
    content = _yaml(source, file)
    servers = content.get("servers")
    for name, role in servers.items() if isinstance(servers, dict) else ():
        command = role.get("cmd") if isinstance(role, dict) else None
        if isinstance(command, str) and (one := worker(name, command, source.place(file, command[:40]), file)):
            yield one
    yield from _images(source, file, content.get("accessories"))


def _heroku(source: Source) -> Iterator[Finding]:
    content = _json(source, "app.json")
    scripts = content.get("scripts")
    command = scripts.get("postdeploy") if isinstance(scripts, dict) else None
    if isinstance(command, str):
        yield from release([command], source.place("app.json", "postdeploy"), "app.json")
    addons = content.get("addons")
    for addon in addons if isinstance(addons, list) else ():
        plan = addon.get("plan", "") if isinstance(addon, dict) else str(addon)
        if "redis" in plan:
            yield Finding("service (app.json)", plan, source.place("app.json", plan), "likely", {"app_redis": True})


def _render(source: Source) -> Iterator[Finding]:
    services = _yaml(source, "render.yaml").get("services")
    for service in services if isinstance(services, list) else ():
        if not isinstance(service, dict):
            continue
        name, command = str(service.get("name", "worker")), str(service.get("startCommand", ""))
        place = source.place("render.yaml", command[:40] or name)
        one = None
        if service.get("type") == "worker":
            one = worker(name, command, place, "render.yaml")
        elif service.get("type") == "cron":
            one = timer(command, str(service.get("schedule", "")), place, "render.yaml")
        elif service.get("type") in ("redis", "keyvalue"):
            one = Finding("service (render.yaml)", "redis", place, "likely", {"app_redis": True})
        if one:
            yield one


def _units(source: Source) -> Iterator[Finding]:
    for name in (one for one in source.files if UNIT.search(one)):
        text = source.text(name)
        match = re.search(r"^ExecStart=[-@:+!]*(.+(?:\\\n.+)*)$", text, re.MULTILINE)
        if not match or not re.search(r"manage\.py|celery|\brq\b|huey|dramatiq", match[1]):
            continue
        place, stem = source.place(name, "ExecStart="), posixpath.basename(name).removesuffix(".service")
        command = re.sub(r"(?<!\S)\S*/(?=manage\.py|celery\b|python)", "", match[1])
        clock = re.search(r"^OnCalendar=(.+)$", source.text(f"{name.removesuffix('.service')}.timer"), re.MULTILINE)
        if clock:
            values = {"command": plain(command), "schedule": clock[1].strip()}
            yield Finding(f"timer ({name})", f"{values['command']}, {clock[1].strip()}", place, "sure",
                          {"app_timers": {unit_word(stem): values}})  # fmt: skip
        elif one := worker(stem, command, place, name):
            yield one


def _compose(source: Source) -> Iterator[Finding]:
    files = [name for name in source.files if COMPOSE.match(name) and not FOR_PEOPLE.search(posixpath.basename(name))]
    # One for production knows best; without any, what people develop with says which services there are.
    files.sort(key=lambda name: (not re.search("prod", name), name.count("/"), name))
    others = [name for name in source.files if COMPOSE.match(name)]
    for name in files[:1] or others[:1]:
        services = _yaml(source, name).get("services")
        for key, service in services.items() if isinstance(services, dict) else ():
            command = service.get("command") if isinstance(service, dict) else None
            text = shlex.join(map(str, command)) if isinstance(command, list) else str(command or "")
            if re.search(r"manage\.py|celery|\brq\b|huey|dramatiq|qcluster", text):
                one = worker(str(key), text, source.place(name, f"{key}:"), name)
                if one:
                    yield one
        yield from _images(source, name, services)


def _images(source: Source, file: str, services: Any) -> Iterator[Finding]:
    for service in services.values() if isinstance(services, dict) else ():
        text = str(service.get("image", "")) if isinstance(service, dict) else ""
        if text and (one := image(text, source.place(file, text), file)):
            yield one


def _crontabs(source: Source) -> Iterator[Finding]:
    for name in (one for one in source.files if CRONTAB.search(one)):
        for number, line in enumerate(source.text(name).splitlines(), 1):
            match = CRON_LINE.match(line.strip())
            if not match or line.lstrip().startswith("#"):
                continue
            command = match[2]
            if "cron.d/" in name:
                # There is a user before the command.
                command = command.split(None, 1)[-1]
            if one := timer(command, match[1], f"{name}:{number}", name):
                yield one


def _json(source: Source, name: str) -> dict[str, Any]:
    try:
        content = json.loads(source.text(name) or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _toml(source: Source, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(source.text(name))
    except tomllib.TOMLDecodeError:
        return {}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader; tags of others are nothing."""


_Loader.add_multi_constructor("!", lambda _loader, _suffix, _node: None)


def _yaml(source: Source, name: str) -> dict[str, Any]:
    loader = None
    try:
        loader = _Loader(source.text(name))
        content = loader.get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    finally:
        if loader:
            loader.dispose()
    return content if isinstance(content, dict) else {}
