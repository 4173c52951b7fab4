"""The example site, used as people use it."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

import pytest

from tests.support.machines import wait_for

if TYPE_CHECKING:
    from tests.support.browser import Browser
    from tests.support.machines import Machine

EDITOR = "tests-editor"


@pytest.fixture(scope="module")
def editor(site: Machine) -> Browser:
    """A browser whose user has logged in to the admin."""
    word = secrets.token_urlsafe(12)
    program = (
        "from django.contrib.auth import get_user_model as u; "
        f"e, _ = u().objects.get_or_create(username='{EDITOR}', defaults=dict(is_staff=True, is_superuser=True)); "
        f"e.set_password('{word}'); e.save()"
    )
    site.manage(f'shell -c "{program}"')
    browser = site.browser()
    page = browser.get("/admin/login/")
    assert page.status == 200
    answer = browser.post("/admin/login/?next=/admin/", {"username": EDITOR, "password": word, "next": "/admin/"})
    assert "What hangs on the board" in answer.text
    return browser


@pytest.fixture(scope="module")
def notice(editor: Browser) -> str:
    """The address of a new notice that was made in the admin, with a file."""
    title = f"Found: {secrets.token_hex(4)}"
    page = editor.get("/admin/board/notice/add/")
    category = re.search(r'<option value="(\d+)"', page.text)
    if not category:
        editor.post("/admin/board/category/add/", {"name": "Tests", "slug": "tests"})
        category = re.search(r'<option value="(\d+)"', editor.get("/admin/board/notice/add/").text)
    assert category
    fields = {
        "title": title, "category": category[1], "body": "one two three four", "published_at_0": "2026-01-01",
        "published_at_1": "12:00:00", "expires_at_0": "", "expires_at_1": "",
    }  # fmt: skip
    answer = editor.post("/admin/board/notice/add/", fields, {"attachment": ("key.txt", title.encode())})
    assert "was added successfully" in answer.text
    found = re.search(rf'href="/admin/board/notice/(\d+)/change/[^"]*">{re.escape(title)}', answer.text)
    assert found
    return f"/notices/{found[1]}/"


def test_the_home_page_comes_from_postgresql_through_the_application_server(site: Machine) -> None:
    page = site.browser().get("/")
    assert page.status == 200
    assert "PostgreSQL" in page.text


def test_every_static_file_of_the_pages_is_served(site: Machine) -> None:
    browser = site.browser()
    for path in ("/", "/admin/login/"):
        files = browser.get(path).static_files()
        assert files
        for url in files:
            assert browser.get(url).status == 200, url


def test_status_says_how_it_is_connected(site: Machine) -> None:
    status = site.browser().get("/status.json").json()
    assert status["application"]["https"] is True
    assert status["application"]["host"] == site.variable("app_domains")[0]
    assert status["application"]["debug"] is site.variable("app_debug")
    assert status["database"]["vendor"] == "postgresql"
    assert status["database"]["unix_socket"] is site.variable("database_is_local")
    assert status["database"]["conn_max_age"] == 60
    assert status["redis"]["reachable"] is site.variable("app_redis")


def test_a_new_notice_is_on_the_board(notice: str, site: Machine) -> None:
    assert site.browser().get(notice).status == 200


def test_the_upload_comes_back_and_cannot_hurt(notice: str, site: Machine) -> None:
    browser = site.browser()
    page = browser.get(notice)
    link = re.search(r'href="([^"]*/attachments/[^"]+)"', page.text)
    assert link
    answer = browser.get(link[1])
    assert answer.status == 200
    assert answer.text.startswith("Found: ")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Server"] == "nginx"
    # What a browser would run is kept from running as part of the site; the header comes with a 404, too.
    for name in ("page.html", "drawing.SVG", "data.xml"):
        answer = browser.get(link[1].rsplit("/", 1)[0] + "/" + name)
        assert "sandbox" in answer.headers["Content-Security-Policy"], name


def test_the_worker_reads_it(notice: str, site: Machine) -> None:
    number = int(notice.strip("/").split("/")[-1])
    browser = site.browser()
    worker = wait_for(
        "the worker's result",
        lambda: (found := browser.get("/status.json").json()["worker"]) and found["pk"] >= number and found,
    )
    assert worker["word_count"] == 4
    assert worker["read_by"] != "no worker"


def test_the_timer_runs(site: Machine) -> None:
    name = next(iter(site.variable("app_timers")))
    site.run(f"systemctl start {site.app}-timer-{name}.service")
    assert "archived" in site.browser().get("/status.json").json()["timer"]["outcome"]


def test_mail_is_caught(site: Machine) -> None:
    if not site.variable("app_catch_mail"):
        pytest.skip("mail is really sent here")
    subject = secrets.token_hex(8)
    browser = site.browser()
    browser.get("/contact/")
    answer = browser.post("/contact/", {"sender": "ada@example.com", "subject": subject, "message": "Hello"})
    assert "on its way" in answer.text
    assert subject in site.run(f"grep -rh '^Subject:' /srv/{site.app}/shared/mail")


def test_management_commands_run_as_the_application(site: Machine) -> None:
    assert site.manage("check --database default").startswith("System check identified no issues")
    assert site.manage("shell -c 'import getpass; print(getpass.getuser())'").strip().splitlines()[-1] == site.app


def test_a_failing_command_says_so(site: Machine) -> None:
    assert site.host.run(f"{site.app}-manage no_such_command </dev/null").rc != 0


def test_errors_reach_the_journal(site: Machine) -> None:
    assert site.browser().get("/no-such-page/").status == 404
    release = site.run(f"basename $(readlink /run/{site.app}/live.sock) .sock").strip()
    wait_for(
        "the line in the journal",
        lambda: "no-such-page" in site.run(f"journalctl -o cat -n 50 -u {site.app}-web@{release}"),
    )
