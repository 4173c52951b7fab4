"""Files, directories, links and what follows from them: as one transaction, and only what differs."""

from __future__ import annotations

import base64
import grp
import json
import os
import pwd
import shutil
import stat
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from ansible.errors import AnsibleActionFail

from plugins.action.system_state import due, normalise, with_own_names
from plugins.module_utils.common.systemd import UnitError
from plugins.module_utils.system import change, originals
from plugins.module_utils.system.change import State
from plugins.module_utils.system.entries import EntryError

if TYPE_CHECKING:
    from pathlib import Path

OWN = {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}


@pytest.fixture(autouse=True)
def pending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "pending"
    monkeypatch.setattr(change, "PENDING", str(folder))
    monkeypatch.setattr(originals, "FOLDER", str(tmp_path / "originals"))
    return folder


def entry(path: Path, text: str | None = None, **given: Any) -> dict[str, Any]:
    found = normalise({"path": str(path), **OWN, **({"content": text} if text is not None else {}), **given})
    return found | {"data": base64.b64encode(text.encode()).decode() if text is not None else None}


def state(*files: dict[str, Any], check: bool = False) -> State:
    return State(SimpleNamespace(check_mode=check, params={"owner": "role", "files": list(files), "units": []}))


def apply(*files: dict[str, Any], check: bool = False) -> list[str]:
    call = state(*files, check=check)
    differing = call.plan()
    if not check:
        call.put(differing)
        call.pending.save({})
    return call.changed


def test_an_exclusive_directory_has_nothing_but_what_is_named(tmp_path: Path) -> None:
    top = tmp_path / "code"
    for name in ("kept.py", "old/stale.py", "old/__pycache__/stale.pyc", "stale.py"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("x")
    (top / "link").symlink_to(tmp_path)
    call = [entry(top, state="directory", exclusive=True), entry(top / "kept.py", "x"), entry(top / "new.py", "y")]
    expected = [str(top / name) for name in ("new.py", "link", "stale.py", "old/stale.py")]
    assert apply(*call, check=True) == expected
    assert (top / "stale.py").exists()
    assert apply(*call) == expected
    found = sorted(str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir())
    assert found == ["kept.py", "new.py", "old/__pycache__/stale.pyc"]
    assert apply(*call) == []


def test_an_original_comes_back_once(tmp_path: Path) -> None:
    """What was there before the first change; later on, what is there is somebody else's."""
    file, made, open_to_all = tmp_path / "file", tmp_path / "made", tmp_path / "open"
    file.write_text("package's")
    open_to_all.write_text("kept")
    file.chmod(0o640)
    open_to_all.chmod(0o666)
    modes = {"state": "attributes", "mode": "0600", "keep_original": True}
    for text in ("one", "two"):
        apply(*(entry(path, text, keep_original=True) for path in (file, made)), entry(open_to_all, **modes))
    assert (file.read_text(), mode(open_to_all)) == ("two", 0o600)
    back = [entry(path, state="original") for path in (file, made, open_to_all)]
    assert apply(*back, check=True) == apply(*back) == [str(file), str(made), str(open_to_all)]
    assert (file.read_text(), mode(file), made.exists()) == ("package's", 0o640, False)
    assert (open_to_all.read_text(), mode(open_to_all)) == ("kept", 0o666)
    file.write_text("newer package's")
    assert apply(*back) == []
    assert not list((tmp_path / "originals").iterdir())


def test_an_original_that_is_back_already_is_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("before")
    apply(entry(file, "after", keep_original=True))
    file.unlink()
    file.write_text("before")
    file.chmod(0o644)
    assert apply(entry(file, state="original")) == []
    assert not list((tmp_path / "originals").iterdir())


def test_only_a_directory_is_exclusive() -> None:
    with pytest.raises(AnsibleActionFail, match="only a directory"):
        normalise({"path": "/x", "content": "", "exclusive": True})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".samestack-*")]


def test_everything_is_made_once(tmp_path: Path) -> None:
    files = [
        entry(tmp_path / "a/b", state="directory", mode="0750"),
        entry(tmp_path / "a/b/file", "hello\n", mode="0600"),
        entry(tmp_path / "a/link", state="link", target="b/file"),
    ]
    assert len(apply(*files)) == 3
    assert (tmp_path / "a/link").read_text() == "hello\n"
    assert mode(tmp_path / "a/b") == 0o750
    assert mode(tmp_path / "a/b/file") == 0o600
    assert apply(*files) == []
    assert leftovers(tmp_path) == []


def test_check_mode_finds_the_same_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    files = [
        entry(tmp_path / "new", "x"),
        entry(tmp_path / "folder", state="directory"),
        entry(tmp_path / "folder/inside", "x"),
        entry(tmp_path / "old", state="absent"),
        entry(tmp_path / "link", state="link", target="new"),
    ]
    assert len(apply(*files, check=True)) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_check_mode_on_a_host_without_the_users(tmp_path: Path) -> None:
    absent = {"owner": "nobody-of-this-name", "group": "nobody-of-this-name"}
    files = [entry(tmp_path / "f", "x", **absent), entry(tmp_path / "d", state="directory", **absent)]
    assert len(apply(*files, check=True)) == 2
    with pytest.raises(EntryError, match="no such user or group"):
        apply(*files)


def test_only_the_mode_differs(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    file.chmod(0o666)
    inode = file.stat().st_ino
    assert apply(entry(file, "x", mode="0640")) == [str(file)]
    assert mode(file) == 0o640
    assert file.stat().st_ino == inode


def test_an_initial_file_keeps_what_people_wrote(tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert apply(entry(file, "first", initial=True)) == [str(file)]
    file.write_text("edited")
    assert apply(entry(file, "second", initial=True)) == []
    assert file.read_text() == "edited"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# mine\n\nPort 22\n", "Include x/*.conf\n# mine\n\nPort 22\n"),
        ("Port 22\n  include   x/*.conf\nMatch User a\n", "Include x/*.conf\nPort 22\nMatch User a\n"),
        ("", "Include x/*.conf\n"),
        ("# as delivered\n\nInclude x/*.conf\nPort 22\n", None),
        ("#Include x/*.conf\ninclude\tx/*.conf\nPort 22\nInclude y\n", None),
    ],
)
def test_a_line_becomes_the_first_of_somebody_elses_file(tmp_path: Path, before: str, after: str | None) -> None:
    file = tmp_path / "sshd_config"
    file.write_text(before)
    file.chmod(0o600)
    wanted = entry(file, "Include x/*.conf\n", state="first_line")
    assert apply(wanted, check=True) == ([str(file)] if after is not None else [])
    assert file.read_text() == before
    apply(wanted)
    assert file.read_text() == (before if after is None else after)
    assert mode(file) == 0o600
    assert apply(wanted) == []


def test_a_first_line_makes_no_file_and_goes_back_with_the_rest(tmp_path: Path) -> None:
    line = {"text": "Include x", "state": "first_line"}
    assert apply(entry(tmp_path / "none", **line)) == []
    file = tmp_path / "file"
    file.write_text("Port 22\n")
    with pytest.raises(EntryError):
        apply(entry(file, **line), entry(tmp_path / "new", "x", validate="false"))
    assert file.read_text() == "Port 22\n"
    assert leftovers(tmp_path) == []


def test_a_refusal_puts_everything_back(tmp_path: Path) -> None:
    kept, gone, link = tmp_path / "kept", tmp_path / "gone", tmp_path / "link"
    kept.write_text("before")
    kept.chmod(0o600)
    gone.write_text("still here")
    link.symlink_to("kept")
    with pytest.raises(EntryError, match="refused the new files, the old ones are back: no good"):
        apply(
            entry(kept, "after"),
            entry(gone, state="absent"),
            entry(link, state="link", target="elsewhere"),
            entry(tmp_path / "deep/er", state="directory"),
            entry(tmp_path / "new", "x", validate="sh -c 'echo no good; exit 1'"),
        )
    assert kept.read_text() == "before"
    assert mode(kept) == 0o600
    assert gone.read_text() == "still here"
    assert link.readlink().name == "kept"
    assert not (tmp_path / "deep").exists()
    assert not (tmp_path / "new").exists()
    assert leftovers(tmp_path) == []


def test_validation_sees_all_new_files_and_runs_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = f"sh -c 'cat {tmp_path}/one {tmp_path}/two >> {log}'"
    apply(entry(tmp_path / "one", "1", validate=command), entry(tmp_path / "two", "2", validate=command))
    assert log.read_text() == "12"


def test_nothing_is_validated_when_nothing_differs(tmp_path: Path) -> None:
    file = entry(tmp_path / "file", "x")
    apply(file)
    assert apply(file | {"validate": "false"}) == []


def test_secrets_never_reach_a_diff(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("OLD=hunter1")
    call = state(entry(file, "NEW=hunter2", secret=True, mode="0640"), check=True)
    call.plan()
    assert call.changed
    assert "hunter" not in json.dumps(call.diffs)


def test_a_diff_shows_ordinary_files(tmp_path: Path) -> None:
    file = tmp_path / "conf"
    file.write_text("a\n")
    call = state(entry(file, "b\n"), check=True)
    call.plan()
    assert (call.diffs[0]["before"], call.diffs[0]["after"]) == ("a\n", "b\n")


def test_a_link_takes_a_files_place_but_never_a_folders(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    apply(entry(tmp_path / "file", state="link", target="/elsewhere"))
    assert (tmp_path / "file").is_symlink()
    (tmp_path / "folder").mkdir()
    with pytest.raises(EntryError, match="is a directory"):
        apply(entry(tmp_path / "folder", state="link", target="/elsewhere"))
    with pytest.raises(EntryError, match="directories are never removed"):
        apply(entry(tmp_path / "folder", state="absent"))
    with pytest.raises(EntryError, match="is a directory"):
        apply(entry(tmp_path / "folder", "text"))


def test_a_file_takes_a_links_place_and_leaves_its_target(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    (tmp_path / "link").symlink_to("target")
    apply(entry(tmp_path / "link", "new"))
    assert target.read_text() == "precious"
    assert not (tmp_path / "link").is_symlink()


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(EntryError, match=r"the directory .*nowhere does not exist"):
        apply(entry(tmp_path / "nowhere/file", "x"))


def test_commands_see_every_file_that_asks_for_them(tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = f"sh -c 'ls {tmp_path}/[ab] > {log}'"
    files = [entry(tmp_path / "a", "1", apply=command), entry(tmp_path / "b", "2", apply=[command])]
    apply(*files)
    assert log.read_text() == f"{tmp_path}/a\n{tmp_path}/b\n"
    log.unlink()
    apply(*files)
    assert not log.exists()


def test_a_command_runs_before_the_files_that_need_it(tmp_path: Path) -> None:
    made = tmp_path / "made-by-the-command"
    apply(entry(tmp_path / "a", "1", apply=f"mkdir {made}"), entry(made / "b", "2"))
    assert (made / "b").read_text() == "2"


def test_a_cut_off_run_is_finished_by_the_next(tmp_path: Path, pending: Path) -> None:
    file = entry(tmp_path / "conf", "x", restart="nginx.service", apply=f"touch {tmp_path}/applied")
    first = state(file)
    first.pending.add(file)
    first.pending.save(first.pending.todo)
    # The run dies here, after the file was written and before anything took it up.
    (tmp_path / "conf").write_text("x")
    (tmp_path / "conf").chmod(0o644)
    second = state(file)
    assert second.plan() == []
    assert second.pending.todo["restart"] == ["nginx.service"]
    second.put([])
    assert (tmp_path / "applied").exists()
    second.pending.save({})
    assert list(pending.iterdir()) == []


def test_what_a_failed_run_owed_before_is_still_owed(tmp_path: Path, pending: Path) -> None:
    pending.mkdir()
    (pending / "role.json").write_text(json.dumps({"restart": ["redis-server.service"]}))
    with pytest.raises(EntryError):
        apply(entry(tmp_path / "conf", "x", validate="false", restart="nginx.service"))
    assert json.loads((pending / "role.json").read_text())["restart"] == ["redis-server.service"]


def test_what_has_just_started_is_not_restarted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    class Fresh:
        done = ("start nginx.service",)

        def __init__(self, *_given: Any) -> None:
            pass

        def settle(self, reload_manager: bool) -> list[str]:
            return ["nginx.service"]

    monkeypatch.setattr(change, "Units", Fresh)
    monkeypatch.setattr(change, "run", lambda command, _unit: ran.append(command))
    call = state(
        entry(tmp_path / "a", "1", restart=["nginx.service", "ssh.service"]),
        entry(tmp_path / "b", "2", reload=["nginx.service", "ssh.service", "other.service"]),
    )
    call.plan()
    call.see_to_units()
    assert ran == [["systemctl", "try-restart", "ssh.service"], ["systemctl", "try-reload-or-restart", "other.service"]]


def test_a_unit_ends_before_its_file_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Afterwards systemd could not disable it, and its links would stay."""
    seen: list[tuple[str, bool]] = []
    file = tmp_path / "old.timer"
    file.write_text("[Timer]")

    class Watched:
        def __init__(self, units: list[dict[str, Any]], _check: bool) -> None:
            self.names = [unit["name"] for unit in units]
            self.done: list[str] = []

        def settle(self, reload_manager: bool) -> list[str]:
            seen.extend((name, file.exists()) for name in self.names)
            return []

    def stop(command: list[str]) -> str:
        stopped.append((*command, file.exists()))
        return ""

    stopped: list[tuple[object, ...]] = []
    monkeypatch.setattr(change, "Units", Watched)
    monkeypatch.setattr(change, "UNITS", f"{tmp_path}/")
    monkeypatch.setattr(change, "run", stop)
    template = tmp_path / "job@.service"
    template.write_text("[Service]")
    call = state(entry(file, state="absent"), entry(template, state="absent"))
    call.module.params["units"] = [
        {"name": name, "enabled": False, "started": False, "when": True} for name in ("old.timer", "other.timer")
    ]
    call.put(call.plan())
    call.see_to_units()
    assert seen == [("old.timer", True), ("old.timer", False), ("other.timer", False)]
    # Whoever has started it, and whichever of a template's
    assert stopped == [("systemctl", "stop", "job@*.service", "old.timer", True)]


def test_what_a_pattern_names_goes_but_for_what_an_entry_wants(tmp_path: Path) -> None:
    for name in ("server-1.pem", "server-2.pem", "server.pem", "ca.crt"):
        (tmp_path / name).write_text(name)
    keys = entry(tmp_path / "server-*.pem", state="absent")
    assert apply(entry(tmp_path / "server-2.pem", "server-2.pem"), keys, check=True) == [f"{tmp_path}/server-1.pem"]
    apply(entry(tmp_path / "server-2.pem", "server-2.pem"), keys)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.crt", "server-2.pem", "server.pem"]
    apply(entry(tmp_path / "server-.pem", state="absent"), keys, entry(tmp_path / "none/x-*", state="absent"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.crt", "server.pem"]


def test_what_is_left_out_is_left_alone_or_absent() -> None:
    one = {"path": "/x", "content": "1"}
    assert due(one | {"when": True}, "absent") == one | {"when": True}
    assert due(one | {"when": False}, "as it is") is None
    assert due(one | {"when": "False"}, "absent") == {"path": "/x", "state": "absent"}
    assert due({"path": "/x", "state": "directory", "when": False}, "absent") is None


def test_what_cannot_take_its_files_up_while_it_runs_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Nginx, whose shared memory stays in the shape that it began with."""
    ran: list[list[str]] = []

    def run(command: list[str], _unit: str) -> None:
        ran.append(command)
        if "try-reload-or-restart" in command or "broken.service" in command:
            raise UnitError("no")

    monkeypatch.setattr(change, "run", run)
    change.take_up("try-reload-or-restart", "nginx.service")
    assert [command[1] for command in ran] == ["try-reload-or-restart", "try-restart"]
    with pytest.raises(UnitError):
        change.take_up("try-restart", "broken.service")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"path": "relative", "content": ""}, "absolute `path`"),
        ({"path": "/x", "content": "", "owned": "me"}, r"unknown keys \['owned'\]"),
        ({"path": "/x"}, "exactly one of"),
        ({"path": "/x", "content": "", "template": "y"}, "exactly one of"),
        ({"path": "/x", "state": "directory", "content": ""}, "exactly one of"),
        ({"path": "/x", "state": "link"}, "has a `target`"),
        ({"path": "/x", "content": "", "target": "/y"}, "has a `target`"),
        ({"path": "/x", "content": "", "mode": 0o644}, "quoted string"),
        ({"path": "/x", "state": "folder"}, "state is one of"),
        ("/x", "absolute `path`"),
    ],
)
def test_entries_that_make_no_sense(raw: Any, message: str) -> None:
    with pytest.raises(AnsibleActionFail, match=message):
        normalise(raw)


def test_what_an_exclusive_directory_should_not_have_is_removed_and_followed_up(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    followed = tmp_path / "followed"
    files = [
        entry(folder, state="directory", exclusive=True, apply=f"touch {followed}"),
        entry(folder / "wanted", "w\n"),
    ]
    assert apply(*files) == [str(folder), str(folder / "wanted")]
    (folder / "left").write_text("x\n")
    (folder / "inner").mkdir()
    followed.unlink()
    seen = state(*files, check=True)
    seen.plan()
    assert seen.changed == [str(folder / "left")]
    assert (folder / "left").exists()
    assert apply(*files) == [str(folder / "left")]
    assert followed.exists()
    assert sorted(path.name for path in folder.iterdir()) == ["inner", "wanted"]
    assert apply(*files) == []


def test_what_was_removed_comes_back_when_the_rest_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "left").write_text("x\n")
    with pytest.raises(EntryError, match="refused the new files"):
        apply(entry(folder, state="directory", exclusive=True), entry(folder / "new", "n\n", validate="false"))
    assert [path.name for path in folder.iterdir()] == ["left"]


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("[Service]\nNice=5\n", False),
        ("[Service]\nNicce=5\n", True),
        ("[Service]\nNice=much\n", True),
        ("[Service]\nExecStart=\n", True),
    ],
)
@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")
def test_systemds_warnings_of_what_changed_are_refusals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, refused: bool
) -> None:
    monkeypatch.setenv("SYSTEMD_UNIT_PATH", f"{tmp_path}:")
    (tmp_path / "tests-web@.service").write_text("[Service]\nExecStart=/bin/true\nNixe=not ours\n")
    files = [
        entry(tmp_path / "tests-web@.service.d", state="directory"),
        entry(
            tmp_path / "tests-web@.service.d/project.conf",
            text,
            validate="systemd-analyze verify --man=no tests-web@any.service",
        ),
    ]
    if not refused:
        assert len(apply(*files)) == 2
        return
    with pytest.raises(EntryError, match="systemd-analyze verify") as error:
        apply(*files)
    assert ("project.conf:2: " in str(error.value)) == ("Nixe" not in str(error.value))
    assert not (tmp_path / "tests-web@.service.d").exists()


def test_an_error_has_the_projects_names() -> None:
    origins = {"/etc/nginx/project/a.conf": "nginx/a.conf", "/etc/nginx/nginx.conf": ""}
    assert with_own_names("wrong in /etc/nginx/project/a.conf:3", origins) == "wrong in nginx/a.conf:3"
    assert with_own_names("wrong.", origins) == "wrong. Among the new files are these of the project: nginx/a.conf."
    assert with_own_names("wrong", {"/etc/nginx/nginx.conf": ""}) == "wrong"


def test_nothing_is_applied_of_what_is_refused(tmp_path: Path) -> None:
    applied, last = tmp_path / "applied", tmp_path / "last"
    touch = {"apply": f"touch {applied}"}
    good = entry(tmp_path / "a", "a\n", validate="true", **touch)
    bad = entry(tmp_path / "b", "b\n", validate="false", **touch)
    with pytest.raises(EntryError, match="refused the new files"):
        apply(good, bad)
    assert not applied.exists()
    # A command that needs everything in place waits for it.
    early = entry(tmp_path / "a", "a\n", validate=f"test ! -e {last}", **touch)
    apply(early, entry(tmp_path / "b", "b\n", validate=f"test -e {last}"), entry(last, "c\n"))
    assert applied.exists()
