"""Rotation: secrets get new values while people work, and nobody notices; then the old ones are worth nothing."""

from __future__ import annotations

import secrets
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.support.load import Visitors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.browser import Browser
    from tests.support.machines import Machine
    from tests.support.team import Team

EDITOR = "tests-rotation"
#: What only somebody who has logged in sees
MEMBERS = "/new/"
#: Requests a second, at least
RATE = 50
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


def kept(team: Team, environment: str) -> dict[str, Any]:
    """Return the environment's secrets."""
    file = team.clone.folder / ".samestack" / "secrets" / f"{environment}.yml"
    found: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return found


def running(machine: Machine) -> str:
    """Return since when the services run."""
    return machine.run("systemctl show -p ExecMainStartTimestampMonotonic redis-server postgresql@*-main nginx")


@pytest.fixture(scope="module")
def rotated(team: Team, victim: Machine) -> Iterator[dict[str, Any]]:
    """Everything was given new values under load; what was before, what is now, and what people saw."""
    *active, asleep = members(victim, 4)
    before, since = kept(team, victim.kind), running(victim)
    people = [Member(browser) for browser in active]
    with victim.load(*CROWD) as load:
        for person in people:
            person.start()
        began = time.monotonic()
        said = team.clone.samestack("rotate", victim.kind, "all", "--rehearsal")
        ended = time.monotonic()
        for person in people:
            person.over.set()
            person.join(30)
    yield {
        "before": before, "after": kept(team, victim.kind), "said": said, "asleep": asleep, "since": since,
        "figures": load.figures(began, ended), "seconds": ended - began,
        "pages": [page for person in people for page in person.pages],
    }  # fmt: skip


def test_no_request_fails(rotated: dict[str, Any]) -> None:
    figures = rotated["figures"]
    assert figures.failures == []
    assert figures.requests / rotated["seconds"] >= RATE


def test_nobody_is_logged_out(rotated: dict[str, Any]) -> None:
    assert len(rotated["pages"]) > 100
    assert set(rotated["pages"]) == {""}
    # Whoever slept through it, too: the old key is accepted for as long as a session lives.
    assert "SECRET_KEY: the one before is accepted until" in rotated["said"]
    assert rotated["asleep"].get(MEMBERS, follow=False).status == 200


def test_every_value_is_another_one(rotated: dict[str, Any], victim: Machine) -> None:
    before, after = rotated["before"], rotated["after"]
    assert after["vault_app_secret_key_previous"] == before["vault_app_secret_key"]
    assert set(after) - {"vault_app_secret_key_previous"} == set(before)
    assert [name for name, value in before.items() if after[name] == value] == []
    assert rotated["since"] == running(victim), "a service was restarted"


def test_the_old_password_is_refused(rotated: dict[str, Any], victim: Machine) -> None:
    script = "printf 'PING\\n' | REDISCLI_AUTH={} redis-cli -s /run/redis/redis-server.sock --user " + victim.app
    old, new = (rotated[name]["vault_redis_password"] for name in ("before", "after"))
    assert "PONG" in victim.run(script.format(new))
    assert "PONG" not in victim.run(f"{script.format(old)} 2>&1 || true")
    assert victim.run("systemctl is-failed redis-server || true").strip() == "active"
    assert "PONG" in victim.run(
        "printf 'PING\\n' | REDISCLI_AUTH=$(cat /etc/samestack/redis-password) "
        "redis-cli -s /run/redis/redis-server.sock --user samestack"
    )


def test_a_rotation_that_was_cut_off_is_gone_on_with(team: Team, rotated: dict[str, Any], victim: Machine) -> None:
    """The file is a step ahead of the machine, and whoever comes next knows no more than that."""
    file = team.clone.folder / ".samestack" / "secrets" / f"{victim.kind}.yml"
    values = kept(team, victim.kind)
    new, old = secrets.token_urlsafe(48), values["vault_redis_password"]
    values |= {"vault_redis_password_previous": old, "vault_redis_password": new}
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    said = team.clone.samestack("rotate", victim.kind, "redis", "--rehearsal")
    assert "a rotation is under way" in said
    assert (kept(team, victim.kind)["vault_redis_password"], "vault_redis_password_previous" in kept(
        team, victim.kind
    )) == (new, False)  # fmt: skip
    assert victim.browser().get("/status.json").json()["redis"]["ok"]


def test_finish_ends_what_was_signed_with_the_old_key(team: Team, rotated: dict[str, Any], victim: Machine) -> None:
    team.clone.samestack("rotate", victim.kind, "app_key", "--finish", "--rehearsal")
    assert rotated["before"]["vault_app_secret_key"] not in victim.run(f"cat /etc/{victim.app}/env")
    assert "SECRET_KEY_FALLBACKS" not in victim.run(f"cat /etc/{victim.app}/env")
    # That one has come since.
    assert rotated["asleep"].get(MEMBERS, follow=False).status == 200
