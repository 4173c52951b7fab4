"""The project that `wagtail start` gives, deployed with variables only."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.machines import Machine


def test_the_home_page_and_its_files(site: Machine) -> None:
    browser = site.browser()
    page = browser.get("/")
    assert page.status == 200
    assert "Welcome to your new Wagtail site!" in page.text
    for url in page.static_files():
        assert browser.get(url).status == 200, url


def test_the_admin_log_in_and_its_files(site: Machine) -> None:
    word = secrets.token_urlsafe(12)
    program = (
        "from django.contrib.auth import get_user_model as u; "
        "e, _ = u().objects.get_or_create(username='tests-editor', defaults=dict(is_staff=True, is_superuser=True)); "
        f"e.set_password('{word}'); e.save()"
    )
    site.manage(f'shell -c "{program}"')
    browser = site.browser()
    page = browser.get("/admin/login/")
    assert page.status == 200
    files = page.static_files()
    assert files
    for url in files:
        assert browser.get(url).status == 200, url
    answer = browser.post(
        "/admin/login/?next=/admin/", {"username": "tests-editor", "password": word, "next": "/admin/"}
    )
    assert answer.status == 200
    assert "dashboard" in answer.text.lower()


def test_search_asks_postgresql(site: Machine) -> None:
    assert site.browser().get("/search/?query=home").status == 200
    assert (
        site.manage("shell -c 'from django.db import connection; print(connection.vendor)'")
        .strip()
        .endswith("postgresql")
    )


def test_the_project_is_unmodified(site: Machine) -> None:
    found = site.run(
        f"find /srv/{site.app}/current/app/ -maxdepth 2 -name 'db.sqlite3' -o -maxdepth 2 -path '*/static/admin'"
    )
    assert found == ""
