"""Redis and memcached by variables that settings can do without: what has a default leads to Samestack's as well.

A default is what people develop with: a server on their own computer, a container with a name. Left alone, the site
would serve, and its queue, cache or sessions would not. Somebody else's server stays, and what is no server at all.
"""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from ..project.code import dotted, text_of
from ..project.variables import GIVEN, WITH_REDIS, reads
from .finding import Finding
from .reading import DEEPEST, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .reading import Settings
    from .source import Source

URL, HOST, MEMCACHED = "{{ redis_url }}", "{{ redis_host }}", "{{ memcached_location }}"
#: A switch may have such a name, too; and what tests have is theirs.
NAME = r"^(?!(?:\w+_)?(?:USES?|ENABLED?|DISABLED?|HAS|WITH|NO|IS|TESTS?|TESTING)_)(?:\w+_)?"
REDIS = rf"{NAME}(?:REDIS|VALKEY)_?(?:\w+_)?"
#: By what a name is like: its value, and whether that is a secret. The first that fits.
KNOWN: tuple[tuple[str, str, bool], ...] = (
    (rf"{REDIS}(?:HOST|HOSTNAME)$", HOST, False),
    (rf"{REDIS}PORT$", "{{ redis_port }}", False),
    (rf"{REDIS}(?:USER|USERNAME)$", "{{ app_name }}", False),
    (rf"{REDIS}(?:PASSWORD|PASS)$", "{{ redis_password }}", True),
    (rf"{REDIS}(?:DB|DATABASE)$", "0", False),
    (rf"{NAME}(?:REDIS|VALKEY|CELERY_BROKER|(?:CELERY|RESULT)_BACKEND(?:_URL)?)$", URL, True),
    (rf"{NAME}(?:REDIS|VALKEY|CACHE|BROKER|CHANNELS?)\w*_(?:UR[LI]|LOCATION|DSN)$", URL, True),
    (rf"{NAME}MEMCACHED?_?(?:LOCATION|URL|SERVERS?)$", MEMCACHED, False),
)
#: Names that lead to Redis and nowhere else, even where no default says so
PLAIN = re.compile(
    rf"{NAME}(?:(?:REDIS|VALKEY)(?:_UR[LI])?|CELERY_(?:BROKER(?:_UR[LI])?|BACKEND|RESULT_BACKEND))$|^(?:BROKER_UR[LI]|RESULT_BACKEND)$"
)
ADDRESS = re.compile(r"(?P<scheme>[a-z+]+)://(?:[^@/]*@)?(?P<host>\[[^\]]*\]|[^:/?#]*)")
OPEN = re.compile(r"(?:redis|valkey)://([^@/]*?)(?::6379)?(?:/\d*)?")
SCHEMES = ("redis", "rediss", "valkey", "valkeys")
#: RabbitMQ's, which Celery takes
OF_CELERY = ("amqp", "amqps", "pyamqp", "rpc")
CELERY = re.compile(r"BROKER|CELERY|AMQP|RABBIT")
ABOUT = re.compile(r"REDIS|VALKEY|BROKER|CACHE|CELERY|CHANNEL|QUEUE|RESULT_BACKEND")
HERE = re.compile(r"localhost|127(\.\d+){3}|0\.0\.0\.0|\[?::1\]?|", re.IGNORECASE)
#: A name without a dot is a container's, and some names are nobody's.
NEAR = re.compile(rf"{HERE.pattern}|[a-z][a-z0-9_-]*|\S+\.(invalid|test|example|example\.(com|net|org))", re.IGNORECASE)
#: Settings with the address of what Celery and others take their tasks from
BROKERS = ("CELERY_BROKER_URL", "BROKER_URL", "DRAMATIQ_BROKER")
#: Settings with addresses of Redis
PLACES = (*BROKERS, "CELERY_RESULT_BACKEND", "CACHES", "CHANNEL_LAYERS", "RQ_QUEUES", "HUEY", "Q_CLUSTER")
PASSWORDS = re.compile(r"password", re.IGNORECASE)


def found(source: Source, decided: dict[str, Any]) -> Iterator[Finding]:
    """Yield what optional variables are given of the services that are decided."""
    given = leading_here(source) if decided.get("app_redis") else {}
    if decided.get("app_memcached"):
        given |= dict(memcached(source))
    for name, (value, secret) in given.items():
        yield Finding("variable", f"{name}: {value}", source.variable_place(name), "likely",
                      {"app_secret_env" if secret else "app_env": {name: value}},
                      "what it is without is for developing")  # fmt: skip
    place = without_password(source, given) if decided.get("app_redis") else ""
    if place:
        note = "no variable tells the settings its password, so it asks nobody for one (docs/services.md)"
        yield Finding("Redis", "open", place, "likely", {"app_redis_open": True}, note)


def leading_here(source: Source) -> dict[str, tuple[str, bool]]:
    """Return the optional variables that lead to a Redis for developing, or to none: their values, whether secret."""
    given: dict[str, tuple[str, bool]] = {}
    rest: dict[str, tuple[str, bool]] = {}
    hosts = False
    brokers = {name for setting in BROKERS if (name := read_by(source.settings, setting))}
    for name, variable in source.variables.items():
        kind, value = kind_of(name), default(source, name)
        hosts |= variable.required and kind is not None and kind[0] == HOST
        if not optional(source, name) or value is UNKNOWN:
            continue
        if kind and kind[0] == HOST:
            if NEAR.fullmatch(str(value or "")):
                given[name] = kind
        elif kind and kind[0] not in (URL, MEMCACHED, "0"):
            rest[name] = kind
        elif is_near(value, celery=name in brokers or bool(CELERY.search(name))) or (not value and PLAIN.search(name)):
            given[name] = URL, True
    return given | (rest if hosts or any(value == HOST for value, _secret in given.values()) else {})


def memcached(source: Source) -> Iterator[tuple[str, tuple[str, bool]]]:
    """Yield the optional variables that lead to a memcached for developing."""
    for name in source.variables:
        kind, value = kind_of(name), default(source, name)
        host = re.sub(r":\d+$", "", value or "") if isinstance(value, str | None) else "no.text"
        if kind and kind[0] == MEMCACHED and optional(source, name) and NEAR.fullmatch(host):
            yield name, kind


def kind_of(name: str) -> tuple[str, bool] | None:
    """Return what a variable is given after its name, and whether that is a secret; None for another one."""
    return next(((value, secret) for pattern, value, secret in KNOWN if re.search(pattern, name)), None)


def optional(source: Source, name: str) -> bool:
    """Return whether the settings can do without a variable that no app is given anyway."""
    return not source.variables[name].required and name not in GIVEN | WITH_REDIS


def default(source: Source, name: str) -> Any:
    """Return what a variable is where nobody sets it: None where nothing says it, UNKNOWN where that has to be run."""
    node = source.variables[name].default
    return source.settings.known(node) if node else None


def is_near(value: Any, *, celery: bool) -> bool:
    """Return whether a text, or each of a list, is the address of a Redis on this computer or in a container."""
    texts = value if isinstance(value, list) else [value]
    addresses = [ADDRESS.match(text) if isinstance(text, str) else None for text in texts]
    schemes = (*SCHEMES, *(OF_CELERY if celery else ()))
    return bool(texts) and all(one and one["scheme"] in schemes and NEAR.fullmatch(one["host"]) for one in addresses)


def read_by(settings: Settings, name: str) -> str:
    """Return the variable of the environment that a setting is, whole; "" where it is none."""
    for said in settings.every(name):
        node: ast.expr | None = said.node
        for _deeper in range(DEEPEST):
            match node:
                case ast.Name():
                    other = settings.said(node.id)
                    node = other.node if other else None
                case ast.BoolOp():
                    node = node.values[0]
                case ast.IfExp():
                    node = node.body
                case ast.Call() if reads(node):
                    return text_of(node.args[0]) or ""
                case ast.Subscript() if dotted(node.value).endswith("environ"):
                    return text_of(node.slice) or ""
                case _:
                    break
    return ""


def without_password(source: Source, given: dict[str, tuple[str, bool]]) -> str:
    """Return where the settings reach a Redis of this computer without any password, "" where they can give one."""
    kinds = {name: kind[0] for name in source.variables if (kind := kind_of(name))}
    hosts = [name for name, value in kinds.items() if value == HOST and (name in given or not optional(source, name))]
    told = WITH_REDIS & source.variables.keys() or {URL, "{{ redis_password }}"} & set(kinds.values())
    if hosts and not told:
        return source.variable_place(hosts[0])
    place = next((place for name in PLACES for place in written_here(source.settings, name)), "")
    return place or nowhere_said(source)


def nowhere_said(source: Source) -> str:
    """Return where the settings use Redis at an address that is neither written there nor in any variable."""
    settings = source.settings
    every = [said for name in PLACES for said in settings.every(name)]
    nodes = [node for said in every for node in unread(settings, said.node)]
    written = any(map(text_of, passwords(nodes))) or any(ADDRESS.match(text_of(node) or "") for node in nodes)
    # Celery takes its broker from the environment by itself.
    others = source.has("celery") or any(ABOUT.search(name) for name in source.variables)
    if written or others or source.mentioned(rf"['\"]({'|'.join(sorted(WITH_REDIS))})['\"]"):
        return ""
    return next((place for text, place in settings.texts(*PLACES) if re.search(r"redis|valkey", text, re.I)), "")


def written_here(settings: Settings, name: str) -> Iterator[str]:
    """Yield where a setting has an address of Redis on this computer written into it, with no password."""
    for said in settings.every(name):
        nodes = list(unread(settings, said.node))
        texts = [text for node in nodes if (text := text_of(node)) is not None]
        if any(True for _password in passwords(nodes)):
            continue
        hosts = [text for text in texts if text and HERE.fullmatch(text)]
        ports = [node for node in nodes if isinstance(node, ast.Constant) and node.value in (6379, "6379")]
        urls = [one for text in texts if (one := OPEN.fullmatch(text))]
        if (hosts and ports) or any(HERE.fullmatch(one[1]) for one in urls):
            yield said.place


def passwords(nodes: list[ast.AST]) -> Iterator[ast.expr]:
    """Yield what the mappings in an expression have for a password, without empty ones."""
    for node in nodes:
        for key, value in zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ():
            empty = isinstance(value, ast.Constant) and not value.value
            if PASSWORDS.search(text_of(key) or "") and not empty:
                yield value


def unread(settings: Settings, node: ast.AST, depth: int = 0) -> Iterator[ast.AST]:
    """Yield what an expression is made of, behind names of settings too, but nothing that the environment decides."""
    # Of a text that is put together, a part is no address.
    if depth > DEEPEST or isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Call) and reads(node)):
        return
    yield node
    said = settings.said(node.id) if isinstance(node, ast.Name) else None
    for child in [said.node] if said else ast.iter_child_nodes(node):
        yield from unread(settings, child, depth + 1)
