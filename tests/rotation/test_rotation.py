"""Rotation: secrets get new values while people work, and nobody notices; then the old ones are worth nothing."""

from __future__ import annotations

import json
import secrets
import shlex
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from plugins.module_utils.common.secrets import assignments
from tests.support.load import Visitors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.browser import Browser
    from tests.support.clone import Clone
    from tests.support.machines import Environment, Machine

EDITOR = "tests-rotation"
#: What only somebody who has logged in sees
MEMBERS = "/new/"
#: How the services are reached
URLS = ("DATABASE_URL", "REDIS_URL")
KNOCK = """
import json, sys
import psycopg, redis
found = []
for url in sys.argv[1:]:
    try:
        if url.startswith("postgres"):
            found.append(psycopg.connect(url).execute("SELECT session_user, current_user").fetchone())
        else:
            found.append(redis.Redis.from_url(url).ping())
    except (psycopg.Error, redis.RedisError) as error:
        found.append(f"refused: {error}")
print(json.dumps(found))
"""
#: That many at least come while everything is rotated. An idle computer answers 50 of them in a second and more.
REQUESTS = 2000
CROWD = (
    Visitors("page", "/", 3, pause=0.05),
    Visitors("database and Redis", "/status.json", 3, pause=0.05),
    Visitors("kept", "/", 2, keep=True, pause=0.05),
)


def members(machine: Machine, number: int) -> list[Browser]:
    """Return browsers whose users have logged in."""
    word = secrets.token_urlsafe(12)
    program = (
        "from django.contrib.auth import get_user_model as u; "
        f"e, _ = u().objects.get_or_create(username='{EDITOR}', defaults=dict(is_staff=True, is_superuser=True)); "
        f"e.set_password('{word}'); e.save()"
    )
    machine.manage(f'shell -c "{program}"')
    found = []
    for _ in range(number):
        browser = machine.browser()
        browser.get("/login/")
        browser.post("/login/", {"username": EDITOR, "password": word})
        assert browser.get(MEMBERS, follow=False).status == 200
        found.append(browser)
    return found


class Member(threading.Thread):
    """Somebody who works on the site from log-in to the end, page after page."""

    def __init__(self, browser: Browser) -> None:
        super().__init__(daemon=True)
        self.browser, self.over = browser, threading.Event()
        self.pages: list[str] = []

    def run(self) -> None:
        while not self.over.wait(0.2):
            try:
                answer = self.browser.get(MEMBERS, follow=False)
                self.pages.append("" if answer.status == 200 else f"{answer.status} {answer.headers['Location']}")
            except OSError as error:
                self.pages.append(repr(error))


def kept(clone: Clone, machine: Machine) -> dict[str, Any]:
    """Return the environment's secrets."""
    file = clone.folder / ".samestack" / "secrets" / f"{machine.kind}.yml"
    found: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return found


def running(environment: Environment) -> str:
    """Return since when the services run."""
    show = "systemctl show -p Id -p ExecMainStartTimestampMonotonic redis-server 'postgresql@*-main*' nginx"
    return "".join(machine.run(show) for machine in environment.machines())


def variables(site: Machine) -> dict[str, str]:
    """Return the application's environment."""
    return assignments(site.run(f"cat /etc/{site.app}/env"))


def knock(site: Machine, *urls: str) -> list[Any]:
    """Return what the services answer to whoever comes from the application's machine with these URLs."""
    python = f"/srv/{site.app}/current/venv/bin/python"
    answer = site.run(f"cd / && {python} - {shlex.join(urls)} <<'PYTHON'\n{KNOCK}\nPYTHON\n")
    found: list[Any] = json.loads(answer)
    return found


@pytest.fixture(scope="module")
def rotated(clone: Clone, environment: Environment, site: Machine) -> Iterator[dict[str, Any]]:
    """Everything was given new values under load; what was before, what is now, and what people saw."""
    *active, asleep = members(site, 4)
    before = {"secrets": kept(clone, site), "since": running(environment), "variables": variables(site)}
    people = [Member(browser) for browser in active]
    with site.load(*CROWD) as load:
        for person in people:
            person.start()
        began = time.monotonic()
        said = clone.samestack("rotate", site.kind, "all", "--rehearsal")
        ended = time.monotonic()
        for person in people:
            person.over.set()
            person.join(30)
    yield {
        "before": before, "after": kept(clone, site), "said": said, "asleep": asleep,
        "figures": load.figures(began, ended),
        "pages": [page for person in people for page in person.pages],
    }  # fmt: skip


def test_no_request_fails(rotated: dict[str, Any]) -> None:
    figures = rotated["figures"]
    assert figures.failures == []
    assert figures.requests >= REQUESTS


def test_nobody_is_logged_out(rotated: dict[str, Any]) -> None:
    assert len(rotated["pages"]) > 100
    assert set(rotated["pages"]) == {""}
    # Whoever slept through it, too: the old key is accepted for as long as a session lives.
    assert "SECRET_KEY: the one before is accepted until" in rotated["said"]
    assert rotated["asleep"].get(MEMBERS, follow=False).status == 200


def test_every_value_is_another_one(rotated: dict[str, Any], environment: Environment) -> None:
    before, after = rotated["before"]["secrets"], rotated["after"]
    assert after["vault_app_secret_key_previous"] == before["vault_app_secret_key"]
    passing = {"vault_app_secret_key_previous", "vault_database_login"}
    assert set(after) - passing == set(before) - passing
    # The account at a certificate authority is no password of anything here; what was backed up is opened with the key
    # that it was written with, and copies have the same words as those before them.
    kept = {"vault_acme_account_key", "vault_backup_key", "vault_copies_key"}
    assert {name for name, value in before.items() if after.get(name) == value} == kept
    assert rotated["before"]["since"] == running(environment), "a service was restarted"


def test_the_old_passwords_are_refused(rotated: dict[str, Any], site: Machine) -> None:
    old, new = rotated["before"]["variables"], variables(site)
    refused = knock(site, *(old[name] for name in URLS))
    assert ["refused: " in str(answer) for answer in refused] == [True, True], refused
    (login, role), pong = knock(site, *(new[name] for name in URLS))
    assert (role, pong) == (site.variable("database_user"), True)
    assert login != role or "_b:" in old["DATABASE_URL"]


def test_the_old_authority_is_trusted_no_more(rotated: dict[str, Any], site: Machine) -> None:
    trusted = site.run(f"cat /etc/{site.app}/internal-ca.crt")
    assert trusted.strip() == rotated["after"]["vault_ca_certificate"].strip()


def test_finish_ends_what_was_signed_with_the_old_key(clone: Clone, rotated: dict[str, Any], site: Machine) -> None:
    """The rotation that is under way is gone on with; nobody says how far it is but the file."""
    said = clone.samestack("rotate", site.kind, "app_key", "--finish", "--rehearsal")
    assert "SECRET_KEY: a rotation is under way" in said
    found = site.run(f"cat /etc/{site.app}/env")
    assert rotated["before"]["secrets"]["vault_app_secret_key"] not in found
    assert "SECRET_KEY_FALLBACKS" not in found
    # That one has come since.
    assert rotated["asleep"].get(MEMBERS, follow=False).status == 200
