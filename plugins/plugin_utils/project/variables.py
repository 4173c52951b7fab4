"""Which environment variables a project's settings read, whether they insist on them, and what for.

Read from syntax trees, so it is a guess: it decides what stands in for a variable while a release is built, and what
people are told. It refuses nothing; `manage.py check` in the real environment does.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .code import dotted, parse, text_of
from .fields import fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: docs/app.md: what every app is given
GIVEN = frozenset(
    {
        "SECRET_KEY", "SECRET_KEY_FALLBACKS", "DEBUG", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "DATABASE_URL",
        "STATIC_ROOT", "MEDIA_ROOT", "HOME", "APP_DATA_PATH", "DJANGO_SETTINGS_MODULE", "PATH", "USER",
        "PYTHONUNBUFFERED", "PYTHONPATH",
    }
)  # fmt: skip
#: … with app_redis
WITH_REDIS = frozenset({"REDIS_URL", "CACHE_URL", "CELERY_BROKER_URL", "RQ_REDIS_URL"})
VARIABLE_NAME = re.compile(r"[A-Z][A-Z0-9_]*")
#: What readers are called where a file does not say it: django-environ's and environs' `env`, decouple's `config`
READERS = frozenset({"env", "ENV", "config", "environ", "Env"})
#: Classes and functions that make one
MAKERS = ("Env", "FileAwareEnv", "AutoConfig", "Config")
# Methods whose variable has a name of its own when none is given
DEFAULT_NAMES = {
    "db": "DATABASE_URL", "db_url": "DATABASE_URL", "dj_db_url": "DATABASE_URL",
    "cache": "CACHE_URL", "cache_url": "CACHE_URL", "dj_cache_url": "CACHE_URL",
    "email": "EMAIL_URL", "email_url": "EMAIL_URL", "dj_email_url": "EMAIL_URL",
    "search_url": "SEARCH_URL", "channels": "CHANNELS_URL", "channels_url": "CHANNELS_URL",
}  # fmt: skip
#: Methods of readers that read nothing
NOT_READING = frozenset({"setdefault", "pop", "read_env", "read_envfile", "prefixed", "seal", "update", "copy"})
#: What a second argument of a reader is where it is no default
CASTS = frozenset(
    {"bool", "int", "float", "str", "list", "tuple", "dict", "bytes", "set", "Csv", "Path", "Decimal", "UUID"}
)
#: Handlers of exceptions apart, what stands in such a part may never run.
PARTS_THAT_MAY_NOT_RUN: tuple[tuple[type[ast.AST], frozenset[str]], ...] = (
    (ast.If, frozenset({"body", "orelse"})),
    (ast.IfExp, frozenset({"body", "orelse"})),
    (ast.While, frozenset({"body", "orelse"})),
    (ast.For, frozenset({"body", "orelse"})),
    (ast.Try, frozenset({"body", "handlers", "orelse"})),
    (ast.With, frozenset({"body"})),
    (ast.Match, frozenset({"cases"})),
    (ast.Lambda, frozenset({"body"})),
    (ast.FunctionDef, frozenset({"body"})),
    (ast.AsyncFunctionDef, frozenset({"body"})),
    (ast.ListComp, frozenset({"elt"})),
    (ast.SetComp, frozenset({"elt"})),
    (ast.GeneratorExp, frozenset({"elt"})),
    (ast.DictComp, frozenset({"key", "value"})),
)
#: Harmless values, by what is made of a variable: methods of readers, and functions
VALUES = {
    **dict.fromkeys(("int", "float", "Decimal", "timedelta", "strtoint", "log_level"), "1"),
    **dict.fromkeys(("bool", "strtobool"), "False"),
    **dict.fromkeys(("json", "loads", "literal_eval", "parse_json"), "{}"),
    **dict.fromkeys(("url", "urlparse", "urlsplit", "parse_url"), "https://localhost"),
    **dict.fromkeys(("Path", "path", "PurePath", "PosixPath"), "/srv"),
    **dict.fromkeys(("open", "read_text", "read_bytes"), "/dev/null"),
    **dict.fromkeys(("b64decode", "urlsafe_b64decode", "standard_b64decode"), "YnVpbGQ="),
    **dict.fromkeys(("uuid", "UUID"), "00000000-0000-0000-0000-000000000000"),
    **dict.fromkeys(("ip_address", "IPv4Address"), "127.0.0.1"),
    **dict.fromkeys(("ip_network", "IPv4Network"), "127.0.0.0/8"),
    **dict.fromkeys(("email", "email_url", "dj_email_url"), "consolemail://"),
    **dict.fromkeys(("channels", "channels_url"), "inmemory://"),
    "search_url": "simple:///",
    "date": "2000-01-01",
    "datetime": "2000-01-01T00:00:00",
    "fromisoformat": "2000-01-01T00:00:00",
    "time": "00:00:00",
    "fromhex": "00",
    "unhexlify": "00",
    "Fernet": "YnVpbGQtb25seS1idWlsZC1vbmx5LWJ1aWxkLW9ubHk=",
    "ZoneInfo": "UTC",
    "getLevelName": "INFO",
    "import_string": "builtins.str",
    "import_module": "builtins",
}
#: The same for fields of pydantic, which takes JSON for what is no text
OF_FIELDS = {**dict.fromkeys(("list", "List", "set", "tuple"), "[]"), **dict.fromkeys(("dict", "Dict"), "{}")}
#: Functions and methods after which a text is one still, of the same kind
SAME = frozenset({"str", "strip", "lstrip", "rstrip", "lower", "upper", "encode", "decode", "open"})
#: Keywords that say what a text is
KEYWORDS = {"dsn": "https://build@localhost/1"}


@dataclass
class Variable:
    """One environment variable: whether some line insists on it, and a value that suits what is made of it, or "".

    Attributes:
        default: what the first line that has one takes where nobody sets it, as it is written.
    """

    required: bool = False
    value: str = ""
    default: ast.expr | None = field(default=None, compare=False, repr=False)


@dataclass
class File:
    """A file while it is being read."""

    readers: frozenset[str]
    defaults: Mapping[str, ast.expr]
    found: dict[str, Variable]
    #: Whether a reader may have defaults that another place says: `environ.Env(**DEFAULTS)`
    more_defaults: bool = False
    # Names that were given a variable's text: a later line may say what is made of it.
    aliases: dict[str, str] = field(default_factory=dict)

    def read(self, node: ast.AST, around: tuple[ast.AST, ...], sure: bool) -> None:
        """Look at a node and everything inside it; `around` are the nodes that it is in, `sure`: it runs."""
        for name, insists, value in self.reads(node):
            variable = self.found.setdefault(name, Variable())
            suiting = value or made_of(node, around)
            variable.value = variable.value or suiting
            elsewhere = name in self.defaults or (self.more_defaults and isinstance(node, ast.Call))
            variable.required |= insists and sure and not elsewhere
            variable.default = variable.default or default_of(node, around) or self.defaults.get(name)
            if around and sure and not has_default(node) and not has_other(node, around[-1]):
                # `int(os.getenv("X"))` insists as well, and so does `os.getenv("X").split()`.
                variable.required |= bool(made_of(node, around)) or isinstance(around[-1], ast.Attribute)
            if around and isinstance(around[-1], ast.Assign | ast.AnnAssign):
                for target in around[-1].targets if isinstance(around[-1], ast.Assign) else [around[-1].target]:
                    self.aliases[dotted(target)] = name
        if isinstance(node, ast.Name) and node.id in self.aliases and isinstance(node.ctx, ast.Load):
            variable = self.found[self.aliases[node.id]]
            variable.value = variable.value or made_of(node, around)
        for child, runs in parts(node):
            other = isinstance(node, ast.If) and child in node.orelse and asks_for_unset(node.test)
            self.read(child, (*around, node), sure and (runs or other))

    def reads(self, node: ast.AST) -> Iterator[tuple[str, bool, str]]:
        """Yield (name, whether the line insists, a suitable value or "") of what one node reads."""
        if isinstance(node, ast.Subscript) and dotted(node.value).endswith("environ"):
            name = text_of(node.slice)
            if name and VARIABLE_NAME.fullmatch(name) and isinstance(node.ctx, ast.Load):
                yield name, True, ""
        if isinstance(node, ast.Call):
            yield from self._call_reads(node)

    def _call_reads(self, call: ast.Call) -> Iterator[tuple[str, bool, str]]:
        function = dotted(call.func)
        base, _, last = function.rpartition(".")
        first = text_of(call.args[0]) if call.args else None
        words = {word.arg: word.value for word in call.keywords}
        if function.endswith("dj_database_url.config"):
            yield text_of(words.get("env")) or first or "DATABASE_URL", False, ""
            return
        plain = function.endswith(("environ.get", "getenv"))
        if not plain and function not in self.readers and base not in self.readers:
            return
        if last in NOT_READING and not plain:
            return
        first = first or text_of(words.get("var")) or text_of(words.get("name"))
        if not call.args and not first:
            first = DEFAULT_NAMES.get(last)
        if not first or not VARIABLE_NAME.fullmatch(first):
            return
        casts = [dotted(one).rpartition(".")[2] for one in (*call.args[1:2], words.get("cast")) if one is not None]
        # django-environ: a type may be the second argument, and the default the third.
        default = "default" in words or bool(call.args[2:]) or any(not is_cast(one) for one in call.args[1:])
        kind = next((cast for cast in casts if cast in VALUES), "" if plain or function in self.readers else last)
        yield first, not plain and not default, VALUES.get(kind, "")


def asks_for_unset(test: ast.expr) -> bool:
    """Return whether a condition asks for one variable of the environment that nobody sets by itself."""
    name = None
    if isinstance(test, ast.Call) and dotted(test.func).endswith(("environ.get", "getenv")) and len(test.args) == 1:
        name = text_of(test.args[0])
    elif isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.In):
        name = text_of(test.left) if dotted(test.comparators[0]).endswith("environ") else None
    return bool(name) and name not in GIVEN | WITH_REDIS


def has_default(node: ast.AST) -> bool:
    """Return whether a read of os.environ or a reader has a value for what is not set."""
    return isinstance(node, ast.Call) and (
        bool(node.args[1:]) or bool(node.keywords) or not dotted(node.func).endswith(("environ.get", "getenv"))
    )


def reads(call: ast.Call) -> bool:
    """Return whether a call reads the environment."""
    function = dotted(call.func)
    name = text_of(call.args[0]) if call.args else None
    reader = function.endswith(("environ.get", "getenv")) or function.partition(".")[0] in READERS
    return reader and bool(name) and bool(VARIABLE_NAME.fullmatch(str(name)))


def default_of(node: ast.AST, around: tuple[ast.AST, ...]) -> ast.expr | None:
    """Return what a read takes where the variable is not set, as it is written; None where it says nothing."""
    if not isinstance(node, ast.Call):
        return None
    words = {word.arg: word.value for word in node.keywords}
    default = words.get("default") or next((one for one in node.args[1:] if not is_cast(one)), None)
    if default or not around or not has_other(node, around[-1]):
        return default
    return around[-1].values[-1] if isinstance(around[-1], ast.BoolOp) else None


def has_other(node: ast.AST, outer: ast.AST) -> bool:
    """Return whether something stands behind a read where it gives nothing: `os.environ.get("X") or "1"`."""
    return isinstance(outer, ast.BoolOp) and isinstance(outer.op, ast.Or) and outer.values[-1] is not node


def is_cast(node: ast.AST) -> bool:
    """Return whether a reader's second argument says what to make of the text, and is no default."""
    return dotted(node.func if isinstance(node, ast.Call) else node).rpartition(".")[2] in CASTS


def parts(node: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
    """Yield what is right inside a node, and whether it runs whenever the node does."""
    unsure = next((fields for kind, fields in PARTS_THAT_MAY_NOT_RUN if isinstance(node, kind)), frozenset())
    for name, value in ast.iter_fields(node):
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(child, ast.AST):
                # `a and b`: the second may not be asked.
                yield child, name not in unsure and not (isinstance(node, ast.BoolOp) and index > 0)


def made_of(node: ast.AST, around: tuple[ast.AST, ...]) -> str:
    """Return a value that suits what is made of a text (`int(…)`, `Path(…).read_text()`, `init(dsn=…)`), or ""."""
    found = ""
    for outer in reversed(around):
        if isinstance(outer, ast.keyword) and outer.arg in KEYWORDS:
            return KEYWORDS[outer.arg]
        if isinstance(outer, ast.Attribute):
            if outer.attr in ("read_text", "read_bytes"):
                return VALUES[outer.attr]
            if outer.attr not in SAME:
                return found
        elif isinstance(outer, ast.Call) and outer.func is not node:
            function = dotted(outer.func).rpartition(".")[2]
            found = VALUES.get(function, found)
            if function not in SAME and found != VALUES["Path"]:
                return found
        elif not isinstance(outer, ast.keyword | ast.Call | ast.BoolOp):
            return found
        node = outer
    return found


def readers_of(tree: ast.Module) -> frozenset[str]:
    """Return what readers are called in a file: `env = environ.Env()`, `from decouple import config as conf`."""
    names = set(READERS)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            if dotted(node.value.func).rpartition(".")[2] in MAKERS:
                names |= {dotted(target) for target in node.targets}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname for alias in node.names if alias.asname and alias.name in READERS}
    return frozenset(names - {""})


def declared_defaults(tree: ast.Module) -> tuple[dict[str, ast.expr], bool]:
    """Return the defaults in `environ.Env(DEBUG=(bool, False))`, by name, and whether more are taken from elsewhere."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and dotted(node.func).endswith("Env")]
    keywords = [keyword for call in calls for keyword in call.keywords]
    defaults = {
        word.arg: word.value.elts[1]
        for word in keywords
        if word.arg and isinstance(word.value, ast.Tuple) and word.value.elts[1:]
    }
    return defaults, any(word.arg is None for word in keywords)


def variables_of(files: list[Path]) -> dict[str, Variable]:
    """Return the environment variables that the files read, by name.

    Understood: os.environ and os.getenv, django-environ and environs (`env("X")`, `env.bool("X")`, `env.db()`),
    decouple (`config("X")`), dj_database_url, and pydantic's classes of settings.
    """
    found: dict[str, Variable] = {}
    for path in files:
        tree = parse(path)
        if tree is not None:
            defaults, more = declared_defaults(tree)
            File(readers_of(tree), defaults, found, more).read(tree, (), sure=True)
            for one in fields(tree):
                variable = found.setdefault(one.variable, Variable())
                variable.required |= one.required
                variable.value = variable.value or VALUES.get(one.kind, OF_FIELDS.get(one.kind, ""))
                variable.default = variable.default or one.default
    return dict(sorted(found.items()))


def debug_variable(files: list[Path]) -> str:
    """Return the variable that settings take DEBUG from where it is called otherwise or no word; "" where none is.

    One that is read as a number ends with `:int`. What has no DEBUG in its name says more than that (ENV, PRODUCTION).
    """
    for path in files:
        tree = parse(path)
        reading = File(readers_of(tree), {}, {}) if tree else None
        for node in tree.body if tree else []:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if not reading or "DEBUG" not in [dotted(one) for one in targets if one]:
                continue
            inside = list(ast.walk(node))
            for name in (name for one in inside for name, _insists, _value in reading.reads(one)):
                number = "int" in map(dotted, inside) or any(map(is_one, inside))
                if "DEBUG" in name and (number or name != "DEBUG"):
                    return f"{name}:int" if number else name
    return ""


def is_one(node: ast.AST) -> bool:
    """Return whether something is compared with "1" and nothing else."""
    return isinstance(node, ast.Compare) and "1" in map(text_of, (node.left, *node.comparators))
