"""What somebody changed of a release by hand is put back, to the last byte."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from plugins.module_utils.common.errors import HostError
from plugins.module_utils.release.place import Place
from plugins.module_utils.release.state import repair, status
from tests.unit.test_release_contents import VID, make_release, packed, write

if TYPE_CHECKING:
    from collections.abc import Callable


def rewritten(top: Path) -> None:
    (top / "release/source/shop/views.py").write_text("x = 2\n")


def made_executable(top: Path) -> None:
    (top / "release/static/a.css").chmod(0o755)


def removed(top: Path) -> None:
    shutil.rmtree(top / "release/source/shop")


def added(top: Path) -> None:
    write(top / "release/source/deep/er/more.py", "")
    (top / "venv/lib/cowsay").mkdir()


def other_kinds(top: Path) -> None:
    """A file where a folder was, a folder where a file was, a link where a file was."""
    shutil.rmtree(top / "release/source/shop")
    (top / "release/source/shop").write_text("")
    (top / "release/source/manage.py").unlink()
    write(top / "release/source/manage.py/more", "")
    (top / "release/static/a.css").unlink()
    (top / "release/static/a.css").symlink_to("/etc/passwd")


def packages(top: Path) -> None:
    (top / "venv/lib/django.py").write_text("")
    (top / "venv/bin/python").unlink()


def lists(top: Path) -> None:
    for name in ("release/contents", "release/build.json", f"{VID}.contents"):
        with (top / name).open("a") as file:
            file.write(f"100644 {'0' * 64} more\n")


def led_elsewhere(top: Path) -> None:
    (top / "release/venv").unlink()
    (top / "release/venv").symlink_to("/usr")


CHANGES = (rewritten, made_executable, removed, added, other_kinds, packages, lists, led_elsewhere)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = make_release(tmp_path / "host")
    packed(found, tmp_path / "parcel")
    (tmp_path / "release").symlink_to(found.folder)
    (tmp_path / "venv").symlink_to(Path(found.venvs) / VID)
    (tmp_path / f"{VID}.contents").symlink_to(Path(found.venvs) / f"{VID}.contents")
    return found


def put_back(place: Place, parcel: Path) -> None:
    repair.put_back(place, str(parcel / "release.tar.gz"), str(parcel / "venv.tar.gz"), "")


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_what_was_built_again(place: Place, tmp_path: Path, change: Callable[[Path], None]) -> None:
    change(tmp_path)
    assert repair.changed_paths(place)
    put_back(place, tmp_path / "parcel")
    assert repair.changed_paths(place) == []
    assert status.dirty(place) == {}


def test_files_that_other_releases_share_are_left_alone(place: Place, tmp_path: Path) -> None:
    view, other = Path(place.path("source/shop/views.py")), tmp_path / "other"
    other.hardlink_to(view)
    other.write_text("x = 2\n")
    put_back(place, tmp_path / "parcel")
    assert view.read_text() == "x = 1\n"
    assert other.read_text() == "x = 2\n"


def test_packages_that_another_release_serves_are_left_alone(place: Place, tmp_path: Path) -> None:
    other = Path(place.releases) / "another"
    other.mkdir()
    (other / "venv").symlink_to(Path(place.venvs) / VID)
    Path(place.current_link).unlink(missing_ok=True)
    Path(place.current_link).symlink_to(other)
    packages(tmp_path)
    assert repair.changed_paths(place) == []
    rewritten(tmp_path)
    assert repair.changed_paths(place) == ["source/shop/views.py (changed)"]
    put_back(place, tmp_path / "parcel")
    assert (tmp_path / "venv/lib/django.py").read_text() == ""
    assert repair.changed_paths(place) == []


def test_what_is_right_is_not_written(place: Place, tmp_path: Path) -> None:
    before = {path: path.lstat().st_ino for path in (tmp_path / "host").rglob("*")}
    rewritten(tmp_path)
    put_back(place, tmp_path / "parcel")
    after = {path: path.lstat().st_ino for path in (tmp_path / "host").rglob("*")}
    assert {path.name for path in before if before[path] != after[path]} == {"views.py", "build.json"}


def test_a_damaged_archive_spoils_nothing_that_is_right(place: Place, tmp_path: Path) -> None:
    archive = tmp_path / "parcel/release.tar.gz"
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    with pytest.raises(HostError, match="was not put back"):
        put_back(place, tmp_path / "parcel")
    assert repair.changed_paths(place) == []


def test_live_code_is_there_to_be_changed(tmp_path: Path) -> None:
    live = Place(str(tmp_path), "live-code")
    (tmp_path / "code").mkdir()
    Path(live.releases).mkdir()
    Path(live.folder).mkdir()
    Path(live.path("source")).symlink_to(tmp_path / "code")
    with pytest.raises(HostError, match="Live code"):
        repair.changed_paths(live)


def test_without_a_release_there_is_nothing_to_put_back(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="No release"):
        repair.changed_paths(Place(str(tmp_path), ""))
