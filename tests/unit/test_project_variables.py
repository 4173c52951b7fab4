"""Which variables settings read: whether they insist on one, and what suits what they make of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from plugins.module_utils.release.environment import stand_in
from plugins.plugin_utils.project.variables import Variable, debug_variable, variables_of

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """
import base64, contextlib, json, os, uuid
from os import environ, getenv
from pathlib import Path
import dj_database_url, environ as django_environ, sentry_sdk
from decouple import AutoConfig, Csv, config
from decouple import config as conf
env = django_environ.Env(DECLARED=(bool, False), TYPED=bool)
own = django_environ.Env()
"""


@pytest.fixture
def read(tmp_path: Path):
    def of(text: str) -> dict[str, Variable]:
        file = tmp_path / "settings.py"
        file.write_text(HEAD + text)
        return variables_of([file])

    return of


INSISTING = [
    'os.environ["X"]', 'environ["X"]', 'int(os.environ["X"])', 'env("X")', 'env.str("X")', 'env.int("X")', 'own("X")',
    'own.bool("X")', 'env("X", bool)', 'env("X", cast=int)', 'env.list("X")', 'env.list("X", int)', 'config("X")',
    'config("X", cast=int)', 'config("X", cast=Csv())', 'conf("X")', 'os.environ["X"] or "y"', 'env.json("X")',
    'env(var="X")', 'int(os.getenv("X"))', 'json.loads(os.environ.get("X"))', 'os.environ.get("X").split(",")',
    '[one for one in os.environ["X"].split(",")]', '{"a": os.environ["X"]}', 'Path(os.environ["X"])',
    'f"{os.environ[\'X\']}"',
]  # fmt: skip
NOT_INSISTING = [
    'os.environ.get("X")', 'os.environ.get("X", "y")', 'os.getenv("X")', 'getenv("X", "y")', 'env("X", default="y")',
    'env("X", default=None)', 'env.int("X", 10)', 'env.bool("X", False)', 'env.str("X", "")', 'env("X", "y")',
    'env.list("X", int, [])', 'env.list("X", default=[])', 'env("X", bool, False)', 'config("X", default=1)',
    'config("X", 1)',
    'config("X", cast=int, default=1)', 'dj_database_url.config("X")', 'os.environ.setdefault("X", "1")',
    'int(os.getenv("X", "1"))', '(os.environ.get("X") or "a,b").split(",")', '"X" in os.environ',
    'os.environ["X"] if "X" in os.environ else None', '"X" in os.environ and os.environ["X"]',
    'lambda: os.environ["X"]', 'bool(strtobool(os.environ.get("X") or "False"))', 'int(os.getenv("X") or 1)',
    '[os.environ["X"] for _ in range(2)]', 'other["X"]', 'os.environ.pop("X", None)',
]  # fmt: skip


OLD = """
class Site(BaseSettings):
    NAME: str
    DAYS: int
    HOSTS: list[str]
    MAYBE: str | None
    TITLE: str = "x"
    KEY: str = Field(default_factory=make)
    MUST: str = Field(...)
    HERE: str = Field("x", env="ELSEWHERE")
    PGHOST: Optional[str]

    class Config:
        env_prefix = "SITE_"
        fields = {"PGHOST": {"env": "PGHOST"}}
"""
NEW = """
class Site(pydantic_settings.BaseSettings):
    model_config = SettingsConfigDict(env_prefix="site_")
    name: str
    token: str = Field(validation_alias="API_TOKEN")
"""


def test_fields_of_pydantic(read) -> None:
    found = read(OLD)
    insisted = {name for name, one in found.items() if one.required}
    assert insisted == {"SITE_NAME", "SITE_DAYS", "SITE_HOSTS", "SITE_MUST"}
    assert found.keys() - insisted == {"SITE_MAYBE", "SITE_TITLE", "SITE_KEY", "ELSEWHERE", "PGHOST"}
    assert (found["SITE_DAYS"].value, found["SITE_HOSTS"].value) == ("1", "[]")
    assert {name for name, one in read(NEW).items() if one.required} == {"SITE_NAME", "API_TOKEN"}


def test_defaults_may_be_declared_elsewhere(read) -> None:
    found = read('env = django_environ.FileAwareEnv(A=(str, ""), **DEFAULTS)\nB = env("B")\nC = os.environ["C"]\n')
    assert {name: one.required for name, one in found.items()} == {"B": False, "C": True}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('DEBUG = env.bool("DJANGO_DEBUG", True)', "DJANGO_DEBUG"),
        ('DEBUG = os.environ.get("SITE_DEBUG", "1") == "1"', "SITE_DEBUG:int"),
        ('DEBUG: bool = bool(int(os.getenv("DEBUG_MODE", "1")))', "DEBUG_MODE:int"),
        ('DEBUG = TEMPLATE_DEBUG = config("APP_DEBUG", default=True, cast=bool)', "APP_DEBUG"),
        ('DEBUG = config("DEBUG_ON", cast=int)', "DEBUG_ON:int"),
        ('DEBUG = env("DEBUG")', ""),
        ('DEBUG = bool(int(os.getenv("DEBUG", "0")))', "DEBUG:int"),
        ('DEBUG = os.environ.get("DEBUG") == "1"', "DEBUG:int"),
        ('DEBUG = os.environ.get("SITE_DEBUG") == "1"', "SITE_DEBUG:int"),
        ('DEBUG = os.environ.get("DEBUG") in ("1", "True")', ""),
        ('DEBUG = os.environ.get("ENV") != "production"', ""),
        ('DEBUG = not os.environ.get("PRODUCTION")', ""),
        ('OTHER = env.bool("DJANGO_DEBUG", True)', ""),
    ],
)
def test_what_debug_is_called(tmp_path: Path, line: str, found: str) -> None:
    (tmp_path / "settings.py").write_text(f"import os\nimport environ\nenv = environ.Env()\n{line}\n", encoding="utf-8")
    assert debug_variable([tmp_path / "settings.py"]) == found


@pytest.mark.parametrize("expression", INSISTING)
def test_lines_that_insist(read, expression: str) -> None:
    assert read(f"Y = {expression}\n")["X"].required


@pytest.mark.parametrize("expression", NOT_INSISTING)
def test_lines_that_do_not(read, expression: str) -> None:
    assert not read(f"Y = {expression}\n").get("X", Variable()).required


@pytest.mark.parametrize(
    "text",
    [
        'if "X" in os.environ:\n    Y = os.environ["X"]\n',
        'if "X" not in os.environ:\n    Y = None\nelse:\n    Y = os.environ["X"]\n',
        'if os.environ.get("X"):\n    Y = os.environ["X"]\n',
        'if env.bool("USE_X", False):\n    Y = env("X")\n',
        'if not DEBUG:\n    Y = os.environ["X"]\n',
        'try:\n    Y = os.environ["X"]\nexcept KeyError:\n    Y = None\n',
        'try:\n    Y = env("X")\nexcept Exception:\n    Y = None\n',
        'try:\n    import x\nexcept ImportError:\n    Y = os.environ["X"]\n',
        'with contextlib.suppress(KeyError):\n    Y = os.environ["X"]\n',
        'def key():\n    return os.environ["X"]\n',
        'def key(name):\n    return os.environ[name]\nkey("X")\n',
        'class Setting:\n    def get(self):\n        return os.environ["X"]\n',
        'match os.name:\n    case "nt":\n        Y = os.environ["X"]\n',
        'for _ in ():\n    Y = os.environ["X"]\n',
        'while False:\n    Y = os.environ["X"]\n',
        'Y = env("DECLARED")\n',
    ],
)
def test_what_may_not_run_insists_on_nothing(read, text: str) -> None:
    assert not any(variable.required for variable in read(text).values())


@pytest.mark.parametrize(
    ("text", "suits"),
    [
        ('int(os.environ["X"])', int),
        ('int(os.environ["X"].strip())', int),
        ('int(os.environ["X"] or 3)', int),
        ('float(os.environ["X"])', float),
        ('env.int("X")', int),
        ('env("X", int)', int),
        ('config("X", cast=int)', int),
        ('timedelta(days=int(os.environ["X"]))', int),
        ('json.loads(os.environ["X"])', "{}"),
        ('env.json("X")', "{}"),
        ('env.bool("X")', "False"),
        ('env.url("X")', "https://localhost"),
        ('uuid.UUID(os.environ["X"])', "00000000-0000-0000-0000-000000000000"),
        ('base64.b64decode(os.environ["X"])', "YnVpbGQ="),
        ('Path(os.environ["X"])', "/srv"),
        ('Path(os.environ["X"]) / "data"', "/srv"),
        ('Path(os.environ["X"]).read_text()', "/dev/null"),
        ('open(os.environ["X"]).read()', "/dev/null"),
        ('sentry_sdk.init(dsn=os.environ["X"])', "https://build@localhost/1"),
        ('env.email_url("X")', "consolemail://"),
        ('os.environ["X"]', ""),
        ('os.environ["X"].split(",")', ""),
    ],
)
def test_a_value_that_suits_what_is_made_of_it(read, text: str, suits: object) -> None:
    value = read(f"Y = {text}\n")["X"].value
    assert suits(value) if callable(suits) else value == suits


def test_what_a_later_line_makes_of_it(read) -> None:
    assert read('X = os.environ["X"]\nY = int(X)\n')["X"].value == "1"
    assert read('dsn = os.environ["X"]\nsentry_sdk.init(dsn=dsn)\n')["X"].value.startswith("https://")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SENTRY_DSN", "https://build@localhost/1"), ("API_URL", "https://localhost"), ("SMTP_PORT", "1"),
        ("CACHE_TIMEOUT", "1"), ("SITE_ID", "1"), ("EMAIL_USE_TLS", "False"), ("DATA_DIR", "/srv"), ("TZ", "UTC"),
        ("DB_HOST", "localhost"), ("LOG_LEVEL", "INFO"), ("DEFAULT_FROM_EMAIL", "build@localhost"),
        ("PAY_API_KEY", "build"), ("SUPPORT", "build"), ("MY_DATABASE_URL", "postgresql:///build"),
        ("OTHER_SECRET_KEY", "build-only-not-a-secret"), ("CELERY_BROKER_URL", "redis://x"),
    ],
)  # fmt: skip
def test_a_value_by_the_name_alone(name: str, value: str) -> None:
    services = {"DATABASE_URL": "postgresql:///build", "*BROKER_URL": "redis://x"}
    assert stand_in(name, services) == value
