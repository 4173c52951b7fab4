"""Two projects that `init` read, on one computer at the same time: each has machines of its own, both one authority."""

from __future__ import annotations

import re
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.front_door.test_2_wagtail import checksums
from tests.support.clone import PROJECT, Clone

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What `django-admin startproject` makes needs this beside it.
PACKAGES = "Django>=5.2,<5.3\n"


@pytest.fixture(scope="module")
def sites(clone: Clone, commit: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Clone]]:
    """Two projects of Django's own generator, as `init` adopted them."""
    found: list[Clone] = []
    top = tmp_path_factory.mktemp("my own sites")
    try:
        for name in ("bakery", "library"):
            folder = top / name
            folder.mkdir()
            subprocess.run([PROJECT / ".venv/bin/django-admin", "startproject", name, "."], cwd=folder, check=True)
            (folder / "requirements.txt").write_text(PACKAGES)
            clone.samestack("init", str(folder), "--yes")
            found.append(Clone(folder / "samestack"))
        yield found
    finally:
        for site in found:
            site.run("./samestack", "destroy")


@pytest.fixture(scope="module")
def served(sites: list[Clone]) -> list[str]:
    """What their `./samestack up` printed."""
    return [site.samestack("up") for site in sites]


def test_both_are_served(sites: list[Clone], served: list[str]) -> None:
    for site, printed, name in zip(sites, served, ("bakery", "library"), strict=True):
        assert f"https://{name}.test" in printed
        assert site.browser(printed).get("/admin/login/").status == 200


def test_what_one_trusts_the_other_is_trusted_by(sites: list[Clone], served: list[str]) -> None:
    found = [site.browser(text).authority for site, text in zip(sites, served, strict=True)]
    assert len({file.read_bytes() for file in found if file}) == 1


@pytest.mark.usefixtures("served")
def test_they_are_listed_with_addresses_of_their_own(sites: list[Clone]) -> None:
    listed = sites[0].samestack("machines")
    lines = [re.search(rf"{re.escape(str(site.folder))}\s+dev1\s+running\s+(\S+)", listed) for site in sites]
    addresses = {found[1] for found in lines if found}
    assert len(addresses) == len(sites), listed


@pytest.mark.usefixtures("served")
def test_one_is_halted_and_started_alone(sites: list[Clone]) -> None:
    one, other = sites
    one.samestack("down", "dev1")
    states = one.samestack("machines")
    assert re.search(rf"{re.escape(str(one.folder))}\s+dev1\s+halted", states)
    assert re.search(rf"{re.escape(str(other.folder))}\s+dev1\s+running", states)
    one.samestack("up", "dev1")
    assert re.search(rf"{re.escape(str(one.folder))}\s+dev1\s+running", one.samestack("machines"))


@pytest.mark.usefixtures("served")
def test_live_code_is_the_projects_own(sites: list[Clone], served: list[str]) -> None:
    page = sites[0].folder.parent / "bakery" / "urls.py"
    text = page.read_text()
    shown = "from django.http import HttpResponse\n"
    page.write_text(f"{shown}{text}\nurlpatterns.append(path('now/', lambda _request: HttpResponse('fresh')))\n")
    end = time.monotonic() + 60
    while (answer := sites[0].browser(served[0]).get("/now/")).text != "fresh" and time.monotonic() < end:
        time.sleep(1)
    page.write_text(text)
    assert answer.text == "fresh"


@pytest.mark.usefixtures("served")
def test_a_release_leaves_the_project_as_it_was(sites: list[Clone]) -> None:
    folder = sites[0].folder.parent / "bakery"
    before = checksums(folder)
    sites[0].samestack("deploy")
    assert checksums(folder) == before
