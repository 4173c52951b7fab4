"""A project that nobody wrote for this goes the whole way, by variables only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.team import Team

RELEASES = 5
MODEL = """from django.db import models

from wagtail.models import Page


class HomePage(Page):
    motto = models.CharField(max_length=100, default="", db_default="")
"""
MIGRATION = """from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("home", "0002_create_homepage")]
    operations = [migrations.AddField("homepage", "motto", models.CharField(max_length=100, default="", db_default=""))]
"""
COLUMN = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'home_homepage' AND column_name = 'motto'"


def add_motto(project: Path) -> None:
    """Give the home page another field."""
    (project / "home" / "models.py").write_text(MODEL, encoding="utf-8")
    (project / "home" / "migrations" / "0003_homepage_motto.py").write_text(MIGRATION, encoding="utf-8")


@pytest.fixture(scope="module")
def v1(team: Team) -> str:
    """The project as it was generated, on both."""
    release = team.deploy("staging", "v1")
    team.samestack("accept", "staging")
    team.samestack("promote", "production")
    return release


def test_there_and_back(team: Team, v1: str) -> None:
    assert team.live("production") == v1
    # On both of production's machines it runs on the Python that came with it, the one that staging has.
    where = f"readlink -f /srv/{team.machine('staging').app}/current/venv/bin/python"
    pythons = {machine.run(where) for kind in ("staging", "production") for machine in team.machines(kind)}
    assert len(pythons) == 1
    assert pythons.pop().startswith("/opt/samestack/python/")
    v2 = team.deploy("staging", team.commit("v2", add_motto))
    team.samestack("accept", "staging")
    team.samestack("promote", "production")
    assert team.live("production") == v2
    assert team.sql("production", COLUMN) == "1"
    team.samestack("rollback", "production")
    assert team.live("production") == v1
    assert team.sql("production", COLUMN) == "0"
    assert "Welcome to your new Wagtail site!" in team.machine("production").browser().get("/").text


def test_a_release_costs_what_differs(team: Team, v1: str) -> None:
    site = team.machine("staging")
    measure = f"du -sk /srv/{site.app} | cut -f1"
    before = int(site.run(measure))
    for number in range(RELEASES):
        change = f"note-{number}.txt"
        team.deploy("staging", team.commit(change, lambda project, name=change: (project / name).write_text(name)))
    spent = int(site.run(measure)) - before
    print(f"{RELEASES} releases beside {before} KiB: {spent} KiB")
    # A release without its packages and without what is equal to the one before
    assert spent < before * 0.1 * RELEASES
