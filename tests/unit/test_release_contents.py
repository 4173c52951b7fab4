"""What a release consists of, the archive that carries it, and where archives are kept."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.common.errors import HostError
from plugins.module_utils.release.files import archive as release_archive
from plugins.module_utils.release.files import contents as release_contents
from plugins.module_utils.release.files import finalize, transfer
from plugins.module_utils.release.files.contents import Archive, Contents, DamageError, read_tree
from plugins.module_utils.release.files.tree_copy import TreeCopy
from plugins.module_utils.release.place import Place
from plugins.module_utils.release.state import status
from plugins.plugin_utils.release.identity import platform_of, platform_problem
from plugins.plugin_utils.release.store import Store
from plugins.plugin_utils.release.transfer import Look

APP, ID, VID = "shop", "0a1b2c3d4e5f", "0f0f0f0f0f0f"
NOBODY = release_archive.NOBODY


def write(path: Path, content: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    path.chmod(mode)


def make_release(root: Path, release: str = ID, views: str = "x = 1\n", vid: str = VID) -> Place:
    """Make a sealed release with its environment, as a build leaves it."""
    place = Place(str(root), release)
    folder, venv = Path(place.folder), Path(place.venvs) / vid
    write(folder / "source/manage.py", "import shop\n", 0o755)
    write(folder / "source/shop/views.py", views)
    write(folder / "static/a.css", "a {}\n")
    (folder / "source/empty").mkdir()
    (folder / "app").symlink_to("source")
    (folder / "venv").symlink_to(f"../../venvs/{vid}")
    if not venv.is_dir():
        write(venv / "lib/django.py", "\n".join(str(number**3) for number in range(900)))
        write(venv / "bin/gunicorn", "#!\n", 0o755)
        (venv / "bin/python").symlink_to("/usr/bin/python3")
        venv.with_name(f"{vid}.contents").write_text(Contents(read_tree(str(venv))).text)
    write(folder / "release.json", '{"id": "x", "inputs": {"platform": "debian-13-x86_64", "python": "3.13"}}')
    packages = Contents.read(f"{venv}.contents")
    assert packages
    listed = Contents(read_tree(place.folder, release_contents.BESIDE), (vid, packages.sha256))
    write(folder / "contents", listed.text)
    write(folder / "build.json", f'{{"sha256": "{listed.sha256}", "time": 1700000000, "migrations": []}}')
    return place


def test_contents_list_every_byte_and_read_back(tmp_path: Path) -> None:
    place = make_release(tmp_path)
    listed = Contents.read(place.path("contents"))
    assert listed
    modes = {path: mode for path, (mode, _digest) in listed.entries.items()}
    assert modes == {
        "app": "120000", "release.json": "100644", "source/empty": "040000", "source/manage.py": "100755",
        "source/shop/views.py": "100644", "static/a.css": "100644",
    }  # fmt: skip
    assert listed.venv and listed.venv[0] == VID
    assert Contents.parse(listed.text).text == listed.text
    assert listed.text.splitlines()[-1].startswith(f"venv {VID} ")


@pytest.mark.parametrize(
    "line", ["100644 00 ../etc/passwd", "100644 00 /etc/passwd", "100644 00 a//b", "100600 00 a", "what is this"]
)
def test_lists_that_no_build_writes_are_refused(line: str) -> None:
    with pytest.raises(DamageError, match="is no line of a release"):
        Contents.parse(line + "\n")


def test_nothing_is_written_through_a_link() -> None:
    with pytest.raises(DamageError, match="a/b/c would lie behind a link"):
        Contents.parse("120000 00 a\n100644 00 a/b/c\n")


def test_a_name_with_a_line_break_cannot_forge_a_line(tmp_path: Path) -> None:
    write(tmp_path / "a\n100644 00 b", "x")
    with pytest.raises(DamageError, match="line break"):
        read_tree(str(tmp_path))


def test_changed_added_and_missing_paths_are_found(tmp_path: Path) -> None:
    place = make_release(tmp_path)
    assert status.dirty(place) == {}
    write(Path(place.path("source/shop/views.py")), "x = 2\n")
    write(Path(place.path("source/shop/new.py")), "")
    Path(place.path("static/a.css")).unlink()
    Path(place.path("source/manage.py")).chmod(0o644)
    write(Path(place.venvs, VID, "lib/django.py"), "")
    assert status.dirty(place) == {
        "changed": ["source/manage.py", "source/shop/views.py", "venv/lib/django.py"],
        "added": ["source/shop/new.py"],
        "missing": ["static/a.css"],
    }


def test_a_list_that_was_changed_along_with_a_file_is_found(tmp_path: Path) -> None:
    place = make_release(tmp_path)
    write(Path(place.path("static/a.css")), "b {}\n")
    listed = Contents.read(place.path("contents"))
    assert listed
    write(Path(place.path("contents")), Contents(read_tree(place.folder, release_contents.BESIDE), listed.venv).text)
    assert status.dirty(place) == {"changed": ["contents"]}


def packed(place: Place, folder: Path) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    return transfer.pack_release(place, str(folder), with_venv=True)


def test_archives_depend_on_bytes_alone(tmp_path: Path) -> None:
    for name in ("one", "two"):
        place = make_release(tmp_path / name)
        os.utime(place.path("static/a.css"), (1, len(name)))
        packed(place, tmp_path / f"{name}-packed")
    for part in ("release.tar.gz", "venv.tar.gz"):
        assert (tmp_path / "one-packed" / part).read_bytes() == (tmp_path / "two-packed" / part).read_bytes()


def unpack(host: Path, parcel: Path, sha256: str, release: str = ID, *, venv: bool = True) -> Place:
    place = Place(str(host), release)
    venv_archive = str(parcel / "venv.tar.gz") if venv else ""
    transfer.unpack_release(place, str(parcel / "release.tar.gz"), venv_archive, sha256)
    return place


def test_what_is_unpacked_is_what_was_packed(tmp_path: Path) -> None:
    here = make_release(tmp_path / "here")
    found = packed(here, tmp_path / "parcel")
    there = unpack(tmp_path / "there", tmp_path / "parcel", found["sha256"])
    assert status.dirty(there) == {}
    assert there.finished == here.finished
    assert Path(there.path("contents")).read_bytes() == Path(here.path("contents")).read_bytes()
    assert os.readlink(there.path("venv")) == f"../../venvs/{VID}"
    assert os.stat(there.path("static/a.css")).st_mtime == 1700000000


def test_what_the_live_release_has_is_stored_once(tmp_path: Path) -> None:
    host = tmp_path / "host"
    live = make_release(host, "aaaaaaaaaaaa", views="x = 0\n")
    Path(live.current_link).symlink_to("releases/aaaaaaaaaaaa")
    found = packed(make_release(tmp_path / "here"), tmp_path / "parcel")
    there = unpack(host, tmp_path / "parcel", found["sha256"], venv=False)
    same = {name: os.path.samefile(there.path(name), live.path(name)) for name in ("static/a.css", "source/manage.py")}
    assert same == {"static/a.css": True, "source/manage.py": True}
    assert Path(there.path("source/shop/views.py")).read_text() == "x = 1\n"
    assert status.dirty(there) == {}


def test_a_spoiled_file_of_the_live_release_is_not_taken_over(tmp_path: Path) -> None:
    host = tmp_path / "host"
    live = make_release(host, "aaaaaaaaaaaa")
    Path(live.current_link).symlink_to("releases/aaaaaaaaaaaa")
    write(Path(live.path("static/a.css")), "bad\n")
    found = packed(make_release(tmp_path / "here"), tmp_path / "parcel")
    there = unpack(host, tmp_path / "parcel", found["sha256"], venv=False)
    assert Path(there.path("static/a.css")).read_text() == "a {}\n"


def test_equal_files_become_links_after_a_build(tmp_path: Path) -> None:
    one, two = make_release(tmp_path, "aaaaaaaaaaaa"), make_release(tmp_path, ID, views="x = 2\n")
    donor = release_archive.Donor(one.folder, Contents.read(one.path("contents")))
    for name in ("source", "static"):
        built = tmp_path / "build" / name
        built.parent.mkdir(exist_ok=True)
        Path(two.path(name)).rename(built)
        TreeCopy(two.path(name), os.geteuid(), donor, f"{name}/").take(str(built))
    assert os.path.samefile(one.path("static/a.css"), two.path("static/a.css"))
    assert not os.path.samefile(one.path("source/shop/views.py"), two.path("source/shop/views.py"))
    assert status.dirty(two) == {}


@pytest.mark.parametrize("part", ["release.tar.gz", "venv.tar.gz"])
def test_a_flipped_byte_anywhere_is_refused_and_nothing_is_left(tmp_path: Path, part: str) -> None:
    found = packed(make_release(tmp_path / "here"), tmp_path / "parcel")
    plain = gzip.decompress((tmp_path / "parcel" / part).read_bytes())
    places = [index for index in range(0, len(plain), 53) if plain[index]]
    assert len(places) > 10
    refused = 0
    for index in places:
        spoiled = bytearray(plain)
        spoiled[index] ^= 1
        (tmp_path / "parcel" / part).write_bytes(gzip.compress(bytes(spoiled), 1))
        host = tmp_path / "host"
        try:
            there = unpack(host, tmp_path / "parcel", found["sha256"])
        except HostError as error:
            refused += 1
            assert "is damaged" in str(error) or "contents" in str(error)
            assert not (host / "releases" / ID).exists()
            assert part == "release.tar.gz" or not (host / "venvs" / VID).exists()
        else:
            # A byte that says nothing about a file: the padding, a time
            assert status.dirty(there) == {}
        shutil.rmtree(host, ignore_errors=True)
    assert refused > len(places) * 2 // 3


def test_what_is_known_of_the_build_is_covered_too(tmp_path: Path) -> None:
    found = packed(make_release(tmp_path / "here"), tmp_path / "parcel")
    archive = tmp_path / "parcel/release.tar.gz"
    plain = gzip.decompress(archive.read_bytes()).replace(b'"migrations": []', b'"migrations": 0 ')
    # The sum is that of the bytes before.
    archive.write_bytes(gzip.compress(plain)[:-8] + archive.read_bytes()[-8:])
    with pytest.raises(HostError, match=r"release.tar.gz is damaged: CRC check failed"):
        unpack(tmp_path / "host", tmp_path / "parcel", found["sha256"])


def test_an_archive_that_is_cut_off_or_another_one_is_refused(tmp_path: Path) -> None:
    found = packed(make_release(tmp_path / "here"), tmp_path / "parcel")
    archive = tmp_path / "parcel/release.tar.gz"
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HostError, match=r"release.tar.gz is damaged"):
        unpack(tmp_path / "host", tmp_path / "parcel", found["sha256"])
    archive.write_bytes(whole)
    with pytest.raises(HostError, match=r"the digest of its contents is [0-9a-f]{12}…, not ffff"):
        unpack(tmp_path / "host", tmp_path / "parcel", "f" * 64)
    unpack(tmp_path / "host", tmp_path / "parcel", found["sha256"])


def test_what_an_unpacking_left_that_was_cut_off_is_replaced(tmp_path: Path) -> None:
    found = packed(make_release(tmp_path / "here"), tmp_path / "parcel")
    write(tmp_path / f"host/releases/{ID}/source/left.py", "")
    write(tmp_path / f"host/venvs/{VID}/lib/left.py", "")
    there = unpack(tmp_path / "host", tmp_path / "parcel", found["sha256"])
    assert status.dirty(there) == {}


def test_a_live_release_is_never_replaced(tmp_path: Path) -> None:
    host = make_release(tmp_path / "host", views="other\n")
    Path(host.current_link).symlink_to(f"releases/{ID}")
    found = packed(make_release(tmp_path / "here"), tmp_path / "parcel")
    with pytest.raises(HostError, match="serves on this host, with other bytes"):
        unpack(tmp_path / "host", tmp_path / "parcel", found["sha256"], venv=False)
    assert status.dirty(host) == {}


def test_an_environment_in_use_is_never_replaced(tmp_path: Path) -> None:
    make_release(tmp_path / "host", "aaaaaaaaaaaa")
    listed = tmp_path / f"host/venvs/{VID}.contents"
    listed.write_text(listed.read_text() + f"100644 {'0' * 64} lib/more.py\n")
    found = packed(make_release(tmp_path / "here"), tmp_path / "parcel")
    with pytest.raises(HostError, match="aaaaaaaaaaaa runs on it"):
        unpack(tmp_path / "host", tmp_path / "parcel", found["sha256"])


def test_sealing_makes_an_environment_that_does_not_tell_where_it_was_made(
    tmp_path: Path,
) -> None:
    for name, patch in (("one", "3.13.5"), ("two", "3.13.6")):
        venv = tmp_path / "build" / name
        write(venv / "pyvenv.cfg", f"home = /usr/bin\nuv = 0.{patch}\nversion_info = {patch}\n"
              "include-system-site-packages = false\n")  # fmt: skip
        finalize.seal_venv(str(venv), str(tmp_path / name), os.geteuid(), NOBODY)
    assert (tmp_path / "one.contents").read_text() == (tmp_path / "two.contents").read_text()
    assert (tmp_path / "one/pyvenv.cfg").read_text() == "home = /usr/bin\ninclude-system-site-packages = false\n"


def stored(store: Store, place: Place, folder: Path) -> dict[str, Any]:
    """Bring a release into the store."""
    found = packed(place, folder)
    for path, sha256, part in (
        (store.venv(found["vid"]), found["venv_sha256"], "venv.tar.gz"),
        (store.release(place.id), found["sha256"], "release.tar.gz"),
    ):
        store.take(path, sha256, lambda target, part=part: shutil.copy(folder / part, target))
    return found


def test_the_store_holds_what_arrived_whole(tmp_path: Path) -> None:
    store = Store(tmp_path, APP)
    assert store.holds(ID) is None
    found = stored(store, make_release(tmp_path / "here"), tmp_path / "parcel")
    contents = store.holds(ID, found["sha256"])
    assert contents and contents.sha256 == found["sha256"]
    assert store.holds(ID, "f" * 64) is None
    assert store.inputs(ID) == {"platform": "debian-13-x86_64", "python": "3.13"}
    store.venv(VID).unlink()
    assert store.holds(ID) is None


def test_the_store_refuses_what_was_spoiled_on_its_way(tmp_path: Path) -> None:
    store = Store(tmp_path, APP)
    found = packed(make_release(tmp_path / "here"), tmp_path / "parcel")
    archive = tmp_path / "parcel/release.tar.gz"
    plain = bytearray(gzip.decompress(archive.read_bytes()))
    plain[plain.index(b"x = 1\n")] = ord("y")
    archive.write_bytes(gzip.compress(bytes(plain)))
    message = rf"shop-{ID}.tar.gz, as it arrived, is damaged: source/shop/views.py is not what its list"
    with pytest.raises(DamageError, match=message):
        store.take(store.release(ID), found["sha256"], lambda target: shutil.copy(archive, target))
    assert not list(store.folder.iterdir())


def test_the_store_is_bounded_and_what_is_in_hand_stays(tmp_path: Path) -> None:
    store = Store(tmp_path, APP)
    store.folder.mkdir(parents=True)
    for age, name in enumerate(["d", "c", "b", "a"]):
        write(store.release(name), "x" * 100)
        os.utime(store.release(name), (10000 - age, 10000 - age))
    write(store.folder / "shop-z.tar.gz.77", "left by a run that was killed")
    os.utime(store.folder / "shop-z.tar.gz.77", (1, 1))
    assert store.trim(250, [store.release("a")]) == ["shop-b.tar.gz", "shop-c.tar.gz"]
    assert sorted(path.name for path in store.folder.iterdir()) == ["shop-a.tar.gz", "shop-d.tar.gz"]
    assert store.trim(1 << 20, []) == []


TRIXIE = {"os": "debian", "release": "13", "python": "3.13.5", "architecture": "x86_64"}


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"python": "3.13.9"}, ""),
        ({"release": "12"}, "it is debian-12-x86_64 with Python 3.13, and the release is built for debian-13-x86_64"),
        ({"python": "3.11.2"}, "with Python 3.11"),
        ({"architecture": "aarch64"}, "it is debian-13-aarch64"),
    ],
)
def test_platforms_that_cannot_run_a_release(more: dict[str, str], problem: str) -> None:
    inputs = {"platform": platform_of(TRIXIE), "python": "3.13"}
    found = platform_problem(inputs, {**TRIXIE, **more})
    assert problem in found
    assert bool(found) == bool(problem)


def test_a_release_without_number_is_known_by_its_name() -> None:
    testing = {"os": "debian", "release": "", "codename": "forky", "architecture": "x86_64"}
    assert platform_of(testing) == "debian-forky-x86_64"


def test_a_look_at_a_host_is_read() -> None:
    look = Look.parse(
        f"current releases/aaaaaaaaaaaa\nrelease 11ff  -\nvenv venvs/{VID}.contents 22ff  -\nfree    2048\n"
        'build {"commit": "abc", "label": "v1"}\n'
    )
    assert (look.current, look.complete, look.sha256, look.free) == ("aaaaaaaaaaaa", True, "11ff", 2 << 20)
    assert look.venvs == {VID: "22ff"}
    assert look.live["commit"] == "abc"
    assert Look.parse("current \nfree 12\nbuild \n") == Look(free=12 << 10)
    assert Look.parse("") == Look()


def test_no_archive_is_no_release(tmp_path: Path) -> None:
    write(tmp_path / "x.tar.gz", "no archive")
    with pytest.raises(DamageError, match=r"x.tar.gz is damaged"):
        Archive(str(tmp_path / "x.tar.gz"))
