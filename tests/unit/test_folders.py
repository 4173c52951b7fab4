"""Nobody leads root elsewhere: files by the descriptors of their folders, and what is refused by name."""

from __future__ import annotations

import base64
import os
import stat
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from plugins.action.system_state import normalise
from plugins.module_utils.common import folders
from plugins.module_utils.common.files import point, read_json, write_atomic
from plugins.module_utils.common.folders import (
    make_folder,
    open_file,
    open_folder,
    parent_of,
    place_of,
    read_file,
    remove,
)
from plugins.module_utils.common.held_folder import ANYBODY, MOST_FOLDERS, PathError, Rights
from plugins.module_utils.system import change, undo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LESSER = 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has files of somebody else's to meet")
# As long as it takes a thread to flip a name some ten thousand times
RACE_SECONDS = 1.0


def give(*paths: Path, uid: int = LESSER) -> None:
    for path in paths:
        os.lchown(path, uid, uid)


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder of somebody else's in one of root's."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    give(folder)
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of root's to which somebody wants to lead."""
    folder = tmp_path / "outside"
    folder.mkdir(mode=0o755)
    (folder / "secret").write_text("root's")
    (folder / "secret").chmod(0o600)
    return folder


@contextmanager
def flipping(flip: Callable[[], None]) -> Iterator[None]:
    """Do something again and again beside what is tried."""
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            flip()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def exchanged(name: Path, folder: Path, link: Path) -> Callable[[], None]:
    """Return what gives a name to a folder and to a link in turn."""

    def flip() -> None:
        os.rename(name, folder)
        os.rename(link, name)
        os.rename(name, link)
        os.rename(folder, name)

    return flip


def test_roots_own_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "absolute").symlink_to(tmp_path / "link")
    write_atomic(str(tmp_path / "absolute/../link/file"), "{}")
    assert (tmp_path / "real/file").read_text() == "{}"
    (tmp_path / "real/other").symlink_to("../real/file")
    assert read_json(str(tmp_path / "link/other")) == {}
    with open_folder("/bin") as found:
        assert found.path == "/usr/bin"
    with open_folder("/var/run") as found:
        assert found.path == "/run"


def test_links_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        open_folder(str(tmp_path / "a"))


def test_somebody_elses_link_is_named(tmp_path: Path, outside: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(outside)
    give(link)
    for attempt in (open_folder, read_file, place_of):
        with pytest.raises(PathError, match=rf"{link} is a link to {outside}, and nobody's") as error:
            attempt(str(link))
        assert str(link) in error.value.hint
    with pytest.raises(PathError, match="is a link to"):
        write_atomic(str(link / "file"), "")


def test_roots_link_in_a_folder_that_others_may_write_to_is_no_roots_link(theirs: Path, outside: Path) -> None:
    (theirs / "link").symlink_to(outside)
    for owner in (LESSER, ANYBODY):
        with pytest.raises(PathError, match="is a link to"):
            open_folder(str(theirs / "link"), owner)


def test_a_folder_of_somebody_elses_is_named(theirs: Path) -> None:
    with pytest.raises(PathError, match=rf"{theirs} belongs to nobody") as error:
        write_atomic(str(theirs / "file"), "")
    assert f"chown root: {theirs}" in error.value.hint
    with pytest.raises(PathError, match="belongs to nobody"):
        point(str(theirs / "link"), "x")
    with pytest.raises(PathError, match="belongs to nobody"):
        make_folder(str(theirs / "folder"), 0o700)
    with pytest.raises(PathError, match="belongs to nobody"):
        read_file(str(theirs / "file"))
    assert list(theirs.iterdir()) == []
    folder, name = parent_of(str(theirs / "file"), LESSER)
    with folder:
        folder.write(name, b"his", Rights(0o600, LESSER, LESSER))
    assert (theirs / "file").stat().st_uid == LESSER


def test_a_third_users_folder_below_is_named(theirs: Path) -> None:
    (theirs / "third").mkdir()
    give(theirs / "third", uid=12345)
    for owner in (LESSER, ANYBODY):
        with pytest.raises(PathError, match="belongs to 12345"):
            open_folder(str(theirs / "third"), owner)


@pytest.mark.parametrize(("mode", "who"), [(0o777, "everybody"), (0o775, "group"), (0o1777, "everybody")])
def test_a_folder_of_roots_that_others_may_write_to_is_named(tmp_path: Path, mode: int, who: str) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    os.chown(folder, 0, LESSER)
    folder.chmod(mode)
    with pytest.raises(PathError, match=rf"{who}.* may write to {folder}"):
        write_atomic(str(folder / "file"), "")
    (folder / "inner").mkdir()
    if mode & stat.S_ISVTX:
        # There nobody renames what is another's.
        write_atomic(str(folder / "inner/file"), "")
    else:
        with pytest.raises(PathError, match=rf"{who}.* may write to {folder}"):
            write_atomic(str(folder / "inner/file"), "")


@pytest.mark.parametrize("kind", ["fifo", "link", "socket", "folder", "device"])
def test_only_regular_files_are_read(theirs: Path, outside: Path, kind: str) -> None:
    file = theirs / "file"
    {
        "fifo": lambda: os.mkfifo(file),
        "link": lambda: file.symlink_to(outside / "secret"),
        "socket": lambda: os.mknod(file, 0o600 | stat.S_IFSOCK),
        "folder": file.mkdir,
        "device": lambda: os.mknod(file, 0o600 | stat.S_IFCHR, os.makedev(1, 5)),
    }[kind]()
    give(file)
    began = time.monotonic()
    with pytest.raises(PathError, match=str(file)):
        read_file(str(file), ANYBODY)
    assert time.monotonic() - began < 1


def test_another_name_of_a_file_is_not_read_for_its_owner(theirs: Path, outside: Path) -> None:
    os.link(outside / "secret", theirs / "file")
    with pytest.raises(PathError, match="another user's file"):
        read_file(str(theirs / "file"), ANYBODY)


def test_a_file_without_an_end_is_not_read_to_it(theirs: Path) -> None:
    with (theirs / "file").open("wb") as file:
        file.truncate(1 << 40)
    give(theirs / "file")
    with pytest.raises(PathError, match="has more than 16384 KiB"):
        read_file(str(theirs / "file"), ANYBODY)


def test_a_passing_name_that_is_taken_leads_nowhere(tmp_path: Path, outside: Path) -> None:
    target = outside / "secret"
    (tmp_path / "file.new").symlink_to(target)
    write_atomic(str(tmp_path / "file"), "text")
    (tmp_path / "file.new").mkdir()
    (tmp_path / "file.new/inner").write_text("in the way")
    write_atomic(str(tmp_path / "file"), "other")
    (tmp_path / "link.new").mkdir()
    point(str(tmp_path / "link"), "file")
    assert (target.read_text(), (tmp_path / "link").read_text()) == ("root's", "other")


def test_what_is_removed_is_a_name_and_not_where_it_leads(theirs: Path, outside: Path) -> None:
    (theirs / "folder").mkdir()
    (theirs / "folder/link").symlink_to(outside)
    (theirs / "folder/deeper").mkdir()
    give(*theirs.rglob("*"))
    folder, name = parent_of(str(theirs / "folder"), ANYBODY)
    with folder:
        folder.remove(name)
    assert list(theirs.iterdir()) == []
    assert (outside / "secret").exists()
    remove(str(outside / "nowhere/file"))


def test_an_emptied_folder_stays(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "all/deeper").mkdir(parents=True)
    (tmp_path / "all/deeper/file").write_text("")
    (tmp_path / "all/link").symlink_to(outside)
    with open_folder(str(tmp_path / "all")) as folder:
        folder.empty()
    assert list((tmp_path / "all").iterdir()) == []
    assert (outside / "secret").exists()


def test_modes_of_folders_are_set_where_they_are_others(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir(mode=0o755)
    make_folder(str(tmp_path / "old"), 0o700).close()
    make_folder(str(tmp_path / "new/inner"), 0o711).close()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("old", "new", "new/inner")]
    assert modes == [0o700, 0o755, 0o711]


def test_a_name_that_is_another_folder_at_every_moment_leads_nowhere(tmp_path: Path, outside: Path) -> None:
    """A user flips a folder of his and a link, while root writes, links, reads and removes below it."""
    home = tmp_path / "home"
    (home / "name").mkdir(parents=True)
    (home / "link").symlink_to(outside)
    give(home, home / "name", home / "link")
    done = refused = 0
    before = sorted(path.name for path in outside.iterdir())
    deadline = time.monotonic() + RACE_SECONDS
    with flipping(exchanged(home / "name", home / "folder", home / "link")):
        while time.monotonic() < deadline:
            try:
                folder, name = parent_of(str(home / "name/secret"), LESSER)
                with folder:
                    folder.write(name, b"his", Rights(0o666, LESSER, LESSER))
                    folder.own(name, Rights(0o644, LESSER, LESSER))
                    assert folder.read(name) == b"his"
                    folder.remove(name)
                    folder.point(name, "anywhere")
                    folder.remove(name)
                done += 1
            except (PathError, OSError):
                refused += 1
    assert done
    assert refused
    secret = (outside / "secret").stat()
    assert sorted(path.name for path in outside.iterdir()) == before
    assert ((outside / "secret").read_text(), secret.st_uid, stat.S_IMODE(secret.st_mode)) == ("root's", 0, 0o600)


def test_a_file_that_is_a_link_at_every_other_moment_is_never_its_target(theirs: Path, outside: Path) -> None:
    (theirs / "file").write_text("his")
    (theirs / "link").symlink_to(outside / "secret")
    give(theirs / "file", theirs / "link")
    seen = set()
    deadline = time.monotonic() + RACE_SECONDS
    with flipping(exchanged(theirs / "file", theirs / "aside", theirs / "link")):
        while time.monotonic() < deadline:
            try:
                seen.add(read_file(str(theirs / "file"), ANYBODY))
                os.close(open_file(str(theirs / "file"), LESSER))
                folder, name = parent_of(str(theirs / "file"), LESSER)
                with folder:
                    folder.own(name, Rights(0o644, LESSER, LESSER))
            except (PathError, OSError):
                continue
    assert seen == {b"his"}
    assert (outside / "secret").stat().st_uid == 0


# What the roles do


def entry(path: Path, text: str | None = None, **given: Any) -> dict[str, Any]:
    found = normalise({"path": str(path), **({"content": text} if text is not None else {}), **given})
    return found | {"data": base64.b64encode(text.encode()).decode() if text is not None else None}


@pytest.fixture
def apply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    monkeypatch.setattr(change, "PENDING", str(tmp_path / "pending"))
    monkeypatch.setattr(undo, "UNDO", str(tmp_path / "undo"))

    def run(*files: dict[str, Any]) -> list[str]:
        module = SimpleNamespace(check_mode=False, params={"owner": "role", "files": list(files), "units": []})
        state = change.State(module, undo.Record({"id": "run"}, "role"))
        state.put(state.plan())
        state.pending.save({})
        return state.changed

    return run


def test_a_configuration_folder_that_is_a_link_now(
    theirs: Path, outside: Path, apply: Callable[..., list[str]]
) -> None:
    (theirs / "conf.d").symlink_to(outside)
    give(theirs / "conf.d")
    his = {"owner": "nobody", "group": "nogroup"}
    for file in (
        entry(theirs / "conf.d/ours.conf", "x", **his),
        entry(theirs / "conf.d/secret", "x"),
        entry(theirs / "conf.d/secret", state="absent"),
        entry(theirs / "conf.d/deeper", state="directory", **his),
        entry(theirs / "conf.d/link", state="link", target="x"),
        entry(theirs / "conf.d", state="directory", **his),
        entry(theirs / "conf.d", state="directory", exclusive=True),
    ):
        with pytest.raises(PathError, match=rf"conf.d is a link to {outside}, and nobody's"):
            apply(file)
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert outside.stat().st_uid == 0


def test_a_folder_becomes_roots_before_root_writes_there(theirs: Path, apply: Callable[..., list[str]]) -> None:
    with pytest.raises(PathError, match="belongs to nobody"):
        apply(entry(theirs / "file", "x"))
    files = [entry(theirs, state="directory"), entry(theirs / "file", "x")]
    assert len(apply(*files)) == 2
    assert (theirs.stat().st_uid, (theirs / "file").read_text()) == (0, "x")
    assert apply(*files) == []


def test_a_second_name_of_roots_file_is_not_given_away(
    theirs: Path, outside: Path, apply: Callable[..., list[str]]
) -> None:
    os.chown(outside / "secret", 0, LESSER)
    os.link(outside / "secret", theirs / "kept")
    with pytest.raises(PathError, match="another user's file"):
        apply(entry(theirs / "kept", "first", initial=True, owner="nobody", group="nogroup"))
    os.unlink(theirs / "kept")
    os.link(outside / "secret", outside / "second")
    apply(entry(outside / "second", "first", initial=True, owner="nobody", group="nogroup"))
    assert (outside / "secret").stat().st_uid == 0
    assert ((outside / "second").stat().st_uid, (outside / "second").read_text()) == (LESSER, "root's")


def test_what_is_no_file_is_neither_waited_for_nor_kept(theirs: Path, apply: Callable[..., list[str]]) -> None:
    os.mkfifo(theirs / "file")
    his = {"owner": "nobody", "group": "nogroup"}
    assert apply(entry(theirs / "file", "x", **his)) == [str(theirs / "file")]
    assert (theirs / "file").read_text() == "x"


def test_what_lies_in_the_way_of_a_passing_name_is_removed(theirs: Path, apply: Callable[..., list[str]]) -> None:
    (theirs / ".samestack-new-file").mkdir()
    (theirs / ".samestack-old-file").mkdir()
    (theirs / ".samestack-old-file/inner").write_text("x")
    (theirs / "file").write_text("before")
    give(*theirs.rglob("*"))
    apply(entry(theirs / "file", "x", owner="nobody", group="nogroup"))
    assert [path.name for path in theirs.iterdir()] == ["file"]


def test_the_kernels_message_of_a_wrong_path() -> None:
    with pytest.raises(PathError, match="no absolute path"):
        folders.walk("relative", 0, whole=True)


def test_folders_that_lie_too_deep_hide_nothing_beside_them(tmp_path: Path) -> None:
    folder = tmp_path / "deep"
    for _ in range(MOST_FOLDERS + 10):
        folder /= "d"
    folder.mkdir(parents=True)
    (tmp_path / "e").write_text("x")
    (tmp_path / "link").symlink_to("/")
    told: list[str] = []
    assert [path for path, _ in folders.tree(str(tmp_path), too_deep=told.append)] == [
        f"{tmp_path}/e",
        f"{tmp_path}/link",
    ]
    assert len(told) == 1
    with pytest.raises(PathError, match="too deep"):
        list(folders.tree(str(tmp_path)))
