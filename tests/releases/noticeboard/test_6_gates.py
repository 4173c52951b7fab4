"""A promotion whose gates are not met, on real hosts: refused with the list, nothing touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support import versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.team import Team

FILE = "source/manage.py"


@pytest.fixture(scope="module")
def offered(team: Team) -> str:
    """A release that staging serves and somebody accepted; production serves another one."""
    team.back_to("v1")
    release = team.deploy("staging", team.commit("offered", versions.touch))
    team.samestack("accept", "staging")
    assert team.live("production") != release
    return release


@pytest.fixture
def before(team: Team, offered: str) -> Iterator[str]:
    """What production serves, before and after."""
    release = team.live("production")
    assert release != offered
    yield release
    assert team.live("production") == release


def test_a_byte_that_somebody_changed(team: Team, offered: str, before: str) -> None:
    site = team.machine("staging")
    path = f"/srv/{site.app}/releases/{offered}/{FILE}"
    # Another file in its place: the bytes of equal files are shared with other releases.
    site.run(f"cp -a {path} /run/kept && cp -a {path} {path}.new && echo '#' >> {path}.new && mv {path}.new {path}")
    try:
        assert f"{FILE} (changed)" in team.samestack("plan", "production")
        assert f"{FILE} (changed)" in team.samestack("plan", "staging", ref="offered")
        assert f"{FILE} (changed)" in team.refuses("promote", "production")
    finally:
        site.run(f"cp -a --remove-destination /run/kept {path}")


def test_what_somebody_changed_is_put_back(team: Team, offered: str) -> None:
    site = team.machine("staging")
    release, media = f"/srv/{site.app}/releases/{offered}", f"/srv/{site.app}/shared/media"
    packages = f"$(echo {release}/venv/lib/python3*/site-packages)"
    listed = f"cd {release} && find -L . -type f | sort | xargs -d '\\n' sha256sum | sha256sum"
    whole, served = site.run(listed), site.run(f"readlink /run/{site.app}/live.sock")
    site.run(f"cp {release}/{FILE} {release}/{FILE}.new && echo '#' >> {release}/{FILE}.new")
    site.run(f"mv {release}/{FILE}.new {release}/{FILE} && rm -r {release}/static/board && touch {media}/kept")
    site.run(f"mkdir {packages}/cowsay && echo >> {packages}/cowsay/__init__.py && rm {packages}/django/__main__.py")
    preview = team.clone.samestack("repair", "staging", "--rehearsal", "--check")
    for path in (f"{FILE} (changed)", "cowsay/__init__.py (added)", "django/__main__.py (missing)"):
        assert path in " ".join(preview.split())
    assert site.run(listed) != whole
    team.samestack("repair", "staging")
    assert site.run(listed) == whole
    # New processes run it, nothing else is touched.
    assert site.run(f"readlink /run/{site.app}/live.sock") != served
    assert site.host.file(f"{media}/kept").exists
    assert team.ledger("staging")[-1]["verb"] == "repair"
    assert "nothing to do" in team.samestack("repair", "staging")


def test_a_site_that_does_not_answer(team: Team, offered: str, before: str) -> None:
    site = team.machine("staging")
    unit = f"{site.app}-web@{site.run(f'basename $(readlink /run/{site.app}/live.sock) .sock').strip()}.service"
    site.run(f"systemctl stop {unit}")
    try:
        assert "does not answer" in team.refuses("promote", "production")
    finally:
        site.run(f"systemctl start {unit}")


def test_an_environment_that_is_frozen(team: Team, before: str) -> None:
    team.samestack("freeze", "production", message="The fair is on")
    try:
        assert "The fair is on" in team.refuses("promote", "production")
    finally:
        team.samestack("unfreeze", "production")


def test_a_flipped_byte_in_the_archive(team: Team, offered: str) -> None:
    before = team.live("production")
    archive = team.clone.folder / ".samestack" / "releases" / f"{team.machine('staging').app}-{offered}.tar.gz"
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    said = team.refuses("promote", "production")
    assert offered in said
    assert team.live("production") == before
    team.samestack("promote", "production")
    assert team.live("production") == offered


def test_what_is_gone_back_to_is_what_was_built(team: Team, offered: str) -> None:
    site = team.machine("production")
    assert team.live("production") == offered
    earlier = team.ledger("production")[-1]["from"]
    release = f"/srv/{site.app}/releases/{earlier}"
    # Written into: so do the people who do this.
    spoil, digest = f"echo '#' >> {release}/{FILE}", f"sha256sum < {release}/{FILE}"
    built = site.run(digest)
    site.run(spoil)
    said = team.samestack("rollback", "production", to=earlier)
    assert f"by hand was put back: {FILE} (changed)" in " ".join(said.split())
    assert site.run(digest) == built
    assert team.live("production") == earlier
    assert [line["verb"] for line in team.ledger("production")[-2:]] == ["promote", "rollback"]

    # The release that was left shares the file, and its archive is somewhere else.
    archive = team.clone.folder / ".samestack" / "releases" / f"{site.app}-{offered}.tar.gz"
    elsewhere = archive.rename(archive.with_suffix(".elsewhere"))
    try:
        said = team.samestack("rollback", "production", to=offered)
    finally:
        elsewhere.rename(archive)
    assert f"by hand, and stays so: {FILE} (changed). Why: its archive is not on this computer" in " ".join(
        said.split()
    )
    assert team.live("production") == offered
    team.samestack("repair", "production")
