"""Deployments, a rollback, a provision and its undoing, while people use the site: nobody notices."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.support import versions
from tests.support.load import Load, Visitors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.team import Team

# More of them: `./samestack soak`
DEPLOYMENTS = 2
VISITORS = (
    Visitors("fast", "/db/", 2),
    Visitors("kept", "/db/", 3, keep=True),
    Visitors("slow", "/slow/", 2),
)


def with_its_own_style(version: int, team: Team) -> str:
    """Commit a version whose page and style sheet differ from every other one's."""

    def change(folder):
        versions.home(folder, f"quiet {version}")
        versions.append(folder, "board/static/board/board.css", f"\n/* quiet {version} */\n")

    return team.commit(f"quiet{version}", change)


@pytest.fixture(scope="module")
def load(team: Team) -> Iterator[Load]:
    """Visitors, from the first release with a slow page on."""
    team.back_to("v1")
    team.deploy("staging", team.commit("quiet", versions.slow_view))
    with team.machine("staging").load(*VISITORS) as found:
        time.sleep(5)
        yield found


@pytest.fixture
def unnoticed(load: Load) -> Iterator[None]:
    """Whatever the test does, no request fails meanwhile."""
    began = time.monotonic()
    yield
    time.sleep(3)
    during = load.figures(began)
    assert during.requests > 50
    assert (during.failures, during.refused) == ([], 0)


@pytest.mark.usefixtures("unnoticed")
@pytest.mark.parametrize("version", range(DEPLOYMENTS))
def test_a_deployment(team: Team, version: int) -> None:
    browser = team.machine("staging").browser()
    before = browser.get("/")
    (style,) = {name for name in before.static_files() if re.search(r"/board\.[0-9a-f]+\.css$", name)}
    team.deploy("staging", with_its_own_style(version, team))
    page = browser.get("/")
    assert f"quiet {version}" in page.text
    assert style not in page.static_files()
    # Whoever has the old page still open gets its style sheet.
    assert browser.get(style).status == 200


@pytest.mark.usefixtures("unnoticed")
def test_a_rollback(team: Team) -> None:
    team.samestack("rollback", "staging")
    assert f"quiet {DEPLOYMENTS - 2}" in team.machine("staging").browser().get("/").text


@pytest.mark.usefixtures("unnoticed")
def test_a_provision_and_its_undoing(team: Team) -> None:
    machine = team.machine("staging")
    environment = f"/etc/{machine.app}/env"
    before = machine.run(f"sha256sum {environment} /etc/nginx/nginx.conf")
    live = machine.run(f"readlink /run/{machine.app}/live.sock")
    team.samestack("provision", "staging", app_env={"QUIET": "yes"}, web_upload_limit="27m")
    assert machine.run(f"sha256sum {environment} /etc/nginx/nginx.conf") != before
    assert machine.run(f"readlink /run/{machine.app}/live.sock") != live
    web = machine.run(f"basename {machine.run(f'readlink /run/{machine.app}/live.sock').strip()} .sock").strip()
    process = machine.run(f"systemctl show -P MainPID {machine.app}-web@{web}.service").strip()
    assert "QUIET=yes" in machine.run(f"tr '\\0' '\\n' < /proc/{process}/environ")
    # A second instance of the release is no other one.
    release = team.live("staging")
    assert f"{release} " in team.samestack("releases", "staging")
    assert f"Release {release} is live already" in team.refuses("rollback", "staging", to=release[:6])
    team.samestack("undo-provision", "staging")
    assert machine.run(f"sha256sum {environment} /etc/nginx/nginx.conf") == before
    assert "undone already" in team.samestack("undo-provision", "staging")
    assert team.ledger("staging")[-1]["verb"] == "undo-provision"


def test_settings_that_break_the_application(team: Team, load: Load) -> None:
    began = time.monotonic()
    said = team.refuses("provision", "staging", app_secret_env={"SECRET_KEY": ""})
    assert "SECRET_KEY" in said
    last = team.ledger("staging")[-1]
    assert (last["verb"], last["result"]) == ("provision", "failed")
    team.samestack("provision", "staging")
    assert load.figures(began).failures == []
