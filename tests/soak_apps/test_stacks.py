"""The lines of docs/stacks.md, as they stand there: every queue does its work, before a deployment and after it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.machines import wait_for

if TYPE_CHECKING:
    from tests.support.apps import App

PAGE = Path(__file__).resolve().parents[2] / "docs" / "stacks.md"
#: Those that have tests of their own (as ASGI: tests/apps/test_sockets.py; tests/wagtail_project; test_remedies.py),
#: and one whose lines are npm's
ELSEWHERE = ("Channels", "Wagtail", "django-compressor", "django-vite")
#: Texts that may be used in place of the secrets that the page names
SECRETS = {"{{ vault_aws }}": "of nobody", "{{ vault_sentry }}": "https://nobody@127.0.0.1:1/1"}


def decisions() -> dict[str, Any]:
    """Return what the page says to decide, for all packages at once."""
    found: dict[str, Any] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = line.strip("| ").split(" | ")
        if not line.startswith("| ") or len(cells) != 2 or cells[0].startswith(ELSEWHERE):
            continue
        for text in re.findall(r"`(app_\w+: [^`]+)`", cells[1]):
            for name, value in yaml.safe_load(text).items():
                found[name] = found.get(name, {}) | value if isinstance(value, dict) else value
    secret = found.pop("app_secret_env")
    found["app_env"] |= {name: SECRETS[value] for name, value in secret.items()}
    return found


def test_every_stack_works_with_its_lines(app: App) -> None:
    decided = decisions()
    assert set(decided["app_workers"]) == {"queue", "beat", "q", "rq", "huey"}
    app.start("stacks", **decided)
    work(app)
    assert app.browser().get("/accounts/login/").status == 200
    api = app.browser().get("/api/", X_Forwarded_For="6.6.6.6").json()
    assert not api["address"].startswith(("6.", "127."))
    static, limited = app.browser().get("/").text.split()
    assert limited == "False"
    answer = app.browser().get(static, Accept_Encoding="gzip")
    assert answer.status == 200
    # WhiteNoise's own file, as it made it
    assert app.machine.run("ls /srv/mysite/current/static/jobs/*.gz").strip()
    app.deploy({"more.txt": "more"})
    work(app)


def work(app: App) -> None:
    """Have every queue do a task."""
    assert app.browser().get("/begin/").text == "begun", app.logs()[-3000:]

    def done() -> bool:
        answer = app.browser().get("/done/").json()
        return all(answer[name] == name for name in answer)

    wait_for("every queue", done, seconds=60)
