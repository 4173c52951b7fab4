"""What the check of a release asks of Django, and people to type."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from plugins.module_utils.inside_app import check
from plugins.module_utils.inside_app.check import deployed
from plugins.module_utils.release.database.check import recorded


def echoed(words: str) -> str:
    return subprocess.run(["sh", "-c", f"echo {words}"], capture_output=True, text=True, check=True).stdout.strip()


def test_migrations_are_recorded_by_a_statement_that_can_be_read() -> None:
    words = recorded(["board.0001_squashed_0002_stars", "auth.0012_alter"])
    assert words.startswith('"INSERT INTO django_migrations')
    assert echoed(words).endswith("VALUES ('board', '0001_squashed_0002_stars', now()), ('auth', '0012_alter', now())")


@pytest.mark.parametrize(
    "name", ["0001_$(echo pwned)", "0001_`echo pwned`", "0001'; DROP TABLE x; --", '0001" ; echo "']
)
def test_the_name_of_a_file_is_no_command(name: str) -> None:
    """A repository calls its migrations as it likes, and somebody types this."""
    quoted = name.replace("'", "''")
    assert echoed(recorded([f"board.{name}"])).endswith(f"VALUES ('board', '{quoted}', now())")


@pytest.mark.parametrize(("debug", "words"), [("True", []), ("False", ["--deploy"]), (None, ["--deploy"])])
def test_with_debug_nothing_is_checked_for_a_deployment(
    monkeypatch: pytest.MonkeyPatch, debug: str | None, words: list[str]
) -> None:
    """Checks of a project's own say as errors what is meant in dev."""
    if debug is None:
        monkeypatch.delenv("DEBUG", raising=False)
    else:
        monkeypatch.setenv("DEBUG", debug)
    assert deployed() == words


@pytest.mark.parametrize(("applied", "fails"), [([], False), (["shop.0001_initial"], True)])
def test_what_a_deployment_is_checked_for_may_read_tables(
    monkeypatch: pytest.MonkeyPatch, applied: list[str], fails: bool
) -> None:
    """In a new database there are none: a check that reads one would never let the first release be."""
    asked: list[tuple[str, ...]] = []

    def manage(*arguments: str) -> None:
        asked.append(arguments)
        if "--deploy" in arguments:
            sys.exit(1)

    monkeypatch.setenv("DEBUG", "False")
    monkeypatch.setattr(check, "manage", manage)
    monkeypatch.setattr(check, "import_module", lambda _name: SimpleNamespace(apps=SimpleNamespace(ready=True)))
    monkeypatch.setattr(check, "Database", lambda: SimpleNamespace(applied=lambda: applied))
    if fails:
        with pytest.raises(SystemExit):
            check.run_checks()
    else:
        check.run_checks()
        assert asked[-1] == ("check", "--fail-level", "ERROR")
    assert "--deploy" in asked[0]
