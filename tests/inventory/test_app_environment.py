"""The application's environment: what YAML misreads, whose value wins, and templates about services elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.inventory.project_copy import Project

APP = "group_vars/all/app.yml"
VARIABLES = ("app_env", "app_secret_env", "app_build_env")
MISREAD = (
    "1.10", "007", "yes", "No", "on", "off", "12:30:00", "1_000", "0x1f", "0b11", "1.5e+3", ".5", "5.", "+5",
    "2026-11-28", "2026-11-28 10:00:00", ".inf", ".nan", "-0", "1.00000000000000001", "190:20:30",
)  # fmt: skip
FINE = (
    "8000", "-5", "0", "1.5", "1.0", "true", "False", "text", "1.2.3", "v1.10", '"1.10"', "'007'", '"yes"', '""',
    "10.0.0.1", "0o17", "1e3", "n", "Y", '"null"', "1 000", "0x", "|\n    two\n    lines",
)  # fmt: skip


@pytest.mark.parametrize("variable", VARIABLES)
def test_what_yaml_misreads_is_to_be_quoted(project: Project, variable: str) -> None:
    values = dict(zip((f"API_{number:02}" for number in range(len(MISREAD))), MISREAD, strict=True))
    project.add(
        APP, "\n  ".join([f"{variable}:", "GOOD: text", *(f"{name}: {value}" for name, value in values.items())])
    )
    last = len(project.file(APP).read_text(encoding="utf-8").splitlines())
    problems = project.check("dev")
    for line, (name, value), problem in zip(
        range(last - len(values) + 1, last + 1), values.items(), problems, strict=True
    ):
        shown = "(hidden)" if variable == "app_secret_env" else value
        assert problem.startswith(f"{variable}.{name} = {shown} (in inventories/{APP}:{line})")
        assert "Write it in quotes" in problem
        assert (f'{name}: "{value}"' in problem) == (variable != "app_secret_env")


def test_what_arrives_as_it_stands_is_fine(project: Project) -> None:
    project.add(APP, "\n  ".join(["app_env:", *(f"API_{number}: {value}" for number, value in enumerate(FINE))]))
    assert project.check("dev") == []


@pytest.mark.parametrize("value", ["", "null", "~", "Null"])
def test_nothing_is_no_value(project: Project, value: str) -> None:
    project.add(APP, f"app_env:\n  X: {value}")
    (problem,) = project.check("dev")
    assert "Write it in quotes" in problem
    assert f"(in inventories/{APP}:" in problem


@pytest.mark.parametrize("name", ["YES", "no", "On", "12", "1.5", "null", "2026-11-28"])
def test_a_name_that_yaml_takes_for_something_else(project: Project, name: str) -> None:
    project.add(APP, f"app_env:\n  {name}: text")
    problems = project.check("dev")
    assert any(f'Write it in quotes: "{name}"' in problem for problem in problems)
    assert all(f"app_env.{name} " in problem for problem in problems)


@pytest.mark.parametrize("value", ["[a, b]", "{a: b}", '"{{ app_domains }}"', '"{{ app_timers }}"', '"{{ none }}"'])
def test_several_values_are_no_text(project: Project, value: str) -> None:
    project.add(APP, f"app_env:\n  X: {value}")
    (problem,) = project.check("dev")
    assert problem.startswith("app_env.X")
    assert "join(" in problem


@pytest.mark.parametrize("variable", ["app_env", "app_secret_env"])
@pytest.mark.parametrize("name", ["DJANGO_SETTINGS_MODULE", "STATIC_ROOT", "PATH", "PYTHONPATH", "SAMESTACK_SERVER"])
def test_what_a_release_sets_is_refused_by_name(project: Project, variable: str, name: str) -> None:
    project.add(APP, f"{variable}: {{{name}: x}}")
    (problem,) = project.check("dev")
    assert problem.startswith(f"{variable}.{name} (in inventories/{APP}:")
    assert "would win" in problem


@pytest.mark.parametrize("name", ["STATIC_ROOT", "HOME", "TMPDIR", "PYTHONDONTWRITEBYTECODE"])
def test_what_a_build_sets_is_refused_by_name(project: Project, name: str) -> None:
    project.add(APP, f"app_build_env: {{{name}: x}}")
    (problem,) = project.check("dev")
    assert problem.startswith(f"app_build_env.{name} ")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("app_env: {A: x}\napp_secret_env: {A: y}", ("app_env.A ", "app_secret_env sets it too", f"{APP}:")),
        ("app_env: {KEY_FILE: x}\napp_secret_files: {KEY: y}", ("app_env.KEY_FILE ", "app_secret_files.KEY sets it")),
        ("app_env: {SECRET_KEY: x}", ("app_env.SECRET_KEY ", "plain text", "app_secret_env")),
        ("app_env: {DATABASE_URL: 'postgresql://me@db.elsewhere.net/shop'}", ("app_env.DATABASE_URL ", "rolled back")),
        ("app_env: {DATABASE_URL: 'sqlite:///db.sqlite3'}", ("app_env.DATABASE_URL ", "{{ database_url }}")),
    ],
)
def test_what_could_not_win_is_refused(project: Project, lines: str, says: tuple[str, ...]) -> None:
    project.add(APP, lines)
    (problem,) = project.check("dev")
    assert all(words in problem for words in says)


@pytest.mark.parametrize(
    "lines",
    [
        "app_env: {REDIS_URL: 'redis://elsewhere.net/1', CELERY_BROKER_URL: 'amqp://elsewhere.net'}",
        "app_secret_env: {SECRET_KEY: 'longer'}",
        "app_env: {DEBUG: 0, ALLOWED_HOSTS: 'a b'}",
        "app_env: {DATABASE_URL: \"{{ database_url | replace('postgresql:', 'postgis:') }}\"}",
        "app_env: {DATABASE_URL: 'postgis://noticeboard@%2Frun%2Fpostgresql/noticeboard'}",
    ],
)
def test_what_wins_is_taken(project: Project, lines: str) -> None:
    project.add(APP, lines)
    assert project.check("dev") == []


TEMPLATES = (
    "redis_url", "redis_host", "redis_port", "redis_password", "database_url", "database_host", "database_port",
    "database_name", "database_login", "environment_name", "app_domains | first", "web_hosts | join(',')",
    "hostvars[db_hosts | first].machine_address", "redis_url | replace('redis:', 'rediscache:')",
)  # fmt: skip


def elsewhere(project: Project) -> None:
    """Put the services of the rehearsed production on a machine of their own."""
    file = project.file("rehearsal.yml")
    groups = yaml.safe_load(file.read_text(encoding="utf-8"))
    where = {"staging": [], "db": ["db1"], "cache": ["db1"], "web": ["web1"], "worker": ["web1"]}
    for name, group in groups.items():
        group["hosts"] = dict.fromkeys(where.get(name, ["web1", "db1"]))
    groups["backup"]["hosts"] = {}
    project.add(
        "group_vars/rehearsal/differences.yml", "backup_repositories: []\nbackup_none_because: none is tried here"
    )
    groups["rehearsal"]["hosts"] = {"web1": {"machine_address": "10.0.3.31"}, "db1": {"machine_address": "10.0.3.32"}}
    file.write_text(yaml.safe_dump(groups), encoding="utf-8")


@pytest.mark.parametrize("expression", TEMPLATES)
@pytest.mark.parametrize("apart", [False, True])
def test_templates_are_resolved_as_a_run_does(project: Project, expression: str, apart: bool) -> None:
    if apart:
        elsewhere(project)
    project.add(APP, f'app_env:\n  VALUE: "{{{{ {expression} }}}}"')
    assert project.check(*(["rehearsal"] if apart else ["dev"])) == []


def test_one_template_that_waits_hides_no_other(project: Project) -> None:
    project.add(APP, 'app_env: {A: "{{ redis_url }}", B: "{{ redis_ur1 }}", C: "{{ 1 / 0 }}"}')
    first, second = project.check("dev")
    assert first.startswith("app_env.B = {{ redis_ur1 }}")
    assert "'redis_ur1' is undefined" in first
    assert second.startswith("app_env.C = {{ 1 / 0 }}")
