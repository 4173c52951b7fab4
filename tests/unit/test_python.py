"""Which Python a project gets, where it comes from, and what a host does with it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from docs import pythons
from plugins.module_utils.common.errors import HostError
from plugins.module_utils.release import pythons as on_hosts
from plugins.module_utils.release.files import contents
from plugins.module_utils.release.interpreter import Interpreter, brought_by, program_of
from plugins.module_utils.release.place import Place
from plugins.plugin_utils.errors import DecisionError, SamestackError
from plugins.plugin_utils.project.detect import Given, detect
from plugins.plugin_utils.project.python import Asked, Build, choose
from plugins.plugin_utils.release.identity import platform_problem
from plugins.plugin_utils.release.pythons import Pythons, in_list, in_table
from tests.support.shapes.skeleton import startproject, tree
from tests.unit.test_project import PINS

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "plugins/plugin_utils/project/pythons.txt"
OURS = list(in_table(TABLE.read_text()))
LOCK = 'version = 1\nrequires-python = "{}"\n[[package]]\nname = "shop"\nversion = "1"\nsource = {{ virtual = "." }}\n'


def chosen(own: str, decision: str = "", **asked: str) -> str:
    """Return the version that a project on a host with a Python of its own gets, "" for that one."""
    build = choose(decision, Asked(**asked), own, "x86_64", lambda: OURS)
    return build.version if build else ""


def newest(minor: str) -> str:
    versions = [one.version for one in OURS if one.version.startswith(f"{minor}.")]
    return max(versions, key=lambda version: int(version.rsplit(".", 1)[1]))


def test_the_list_is_that_of_the_uv_in_use() -> None:
    version = re.search(r'^UV_VERSION = "([^"]+)"', (ROOT / "box/setup.py").read_text(), re.MULTILINE)
    assert version
    assert f"as uv {version[1]} knows them" in TABLE.read_text()
    for minor in ("3.10", "3.11", "3.12", "3.13", "3.14"):
        for architecture in ("x86_64", "aarch64"):
            assert any(one.version == newest(minor) and one.architecture == architecture for one in OURS)
    assert all(re.fullmatch("[0-9a-f]{64}", one.sha256) for one in OURS)


def test_a_build_that_uv_replaces_stays_behind_the_newer_one() -> None:
    text = TABLE.read_text()
    assert pythons.merged(text, {}, "x").splitlines()[2:] == text.splitlines()[2:]
    line = next(line for line in text.splitlines() if line.startswith("3.13.") and " x86_64 " in line)
    version, architecture, _date, flavour, _sha256 = line.split()
    address = (
        f"https://github.com/x/20991231/cpython-{version}%2B20991231-{architecture}-unknown-linux-gnu-{flavour}.tar.gz"
    )
    entry = next(iter(listed(Build(version, architecture, address, "f" * 64)).values()))
    builds = list(in_table(pythons.merged(text, {"x": entry}, "x")))
    assert {one.sha256 for one in OURS} < {one.sha256 for one in builds}
    chosen_now = choose("3.13", Asked(), "3.13.5", "x86_64", lambda: builds)
    assert chosen_now
    assert chosen_now.sha256 == "f" * 64


def test_the_hosts_own_where_it_fits() -> None:
    assert chosen("3.13.5") == ""
    assert chosen("3.13.5", specifier=">=3.12", listed="uv.lock") == ""
    assert chosen("3.13.5", version="3.13", file=".python-version") == ""
    # Debian mends what it has: a later patch of what a file names.
    assert chosen("3.13.5", version="3.13.2", file=".python-version") == ""
    assert chosen("3.13.5", specifier="whatever") == ""


def test_another_where_it_does_not_fit() -> None:
    # Django 6 on Debian 12: the next one that fits, and no newer than needed
    assert chosen("3.11.2", specifier=">=3.12") == newest("3.12")
    assert chosen("3.13.5", specifier=">=3.10,<3.13") == newest("3.12")
    assert chosen("3.13.5", version="3.12", file=".python-version") == newest("3.12")
    assert chosen("3.13.5", version="3.12.4", file=".python-version") == "3.12.4"
    assert chosen("3.12.3", version="3.12.4", file=".python-version") == "3.12.4"


def test_what_is_decided_is_the_same_everywhere() -> None:
    assert chosen("3.13.5", "3.13") == chosen("3.11.2", "3.13") == newest("3.13")
    assert chosen("3.13.5", "3.12.4") == "3.12.4"
    assert chosen("3.13.5", "host", version="3.12", file=".python-version") == ""
    # What is decided wins over what a file names in passing, never over what the packages need.
    assert chosen("3.13.5", "3.14", version="3.12", file=".python-version") == newest("3.14")
    with pytest.raises(DecisionError, match=r"app_python = 3.11 .*that is >=3.12 \(uv.lock\)"):
        chosen("3.13.5", "3.11", specifier=">=3.12", listed="uv.lock")
    with pytest.raises(DecisionError, match=r"requires-python = >=3.14 \(in uv.lock\): .*the host has 3.13.5"):
        chosen("3.13.5", "host", specifier=">=3.14", listed="uv.lock")


def test_what_there_is_not_is_said_with_what_there_is() -> None:
    with pytest.raises(DecisionError, match=rf"no such build of Python for x86_64. The list has .*{newest('3.12')}"):
        chosen("3.13.5", "3.12.99")
    with pytest.raises(DecisionError, match=r"asks for Python >=4 \(uv.lock\), the host has 3.13.5.*app_python: host"):
        chosen("3.13.5", specifier=">=4", listed="uv.lock")
    with pytest.raises(DecisionError, match=r"no such build of Python for riscv64. The list has none for these hosts"):
        choose("3.12", Asked(), "3.13.5", "riscv64", lambda: OURS)


@pytest.mark.parametrize(
    ("name", "text", "version"),
    [
        (".python-version", "3.12\n", "3.12"),
        (".python-version", "# for pyenv\n3.12.4\n3.11.2\n", "3.12.4"),
        (".python-version", "cpython-3.13", "3.13"),
        ("runtime.txt", "python-3.11.9", "3.11.9"),
        (".tool-versions", "nodejs 20.1.0\npython 3.12.1 3.11.0\n", "3.12.1"),
        (".tool-versions", "nodejs 20.1.0\n", ""),
        (".python-version", "3\n", ""),
    ],
)
def test_files_that_name_a_version(tmp_path: Path, name: str, text: str, version: str) -> None:
    found = detect(tree(tmp_path, {**startproject("backend/"), name: text}), Given(), PINS)
    assert (found.asked.version, found.asked.file) == (version, name if version else "")
    assert not [note for note in found.notes if name in note]


def test_what_is_no_version_is_passed_over_and_said(tmp_path: Path) -> None:
    found = detect(tree(tmp_path, {**startproject(), ".python-version": "mysite-env\n"}), Given(), PINS)
    assert found.asked.version == ""
    assert ".python-version: mysite-env is no version of CPython, and is passed over" in found.notes


def test_the_file_that_says_it_is_named(tmp_path: Path) -> None:
    project = {"pyproject.toml": '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.14"\n'}
    asked = detect(tree(tmp_path, {**startproject(), **project}), Given(), PINS).asked
    assert asked.words == ">=3.14 (pyproject.toml)"


def test_the_nearest_file_and_the_lock(tmp_path: Path) -> None:
    files = {".python-version": "3.11", "backend/.python-version": "3.13", "backend/uv.lock": LOCK.format(">=3.12")}
    asked = detect(tree(tmp_path, {**startproject("backend/"), **files}), Given(), PINS).asked
    assert (asked.version, asked.file) == ("3.13", "backend/.python-version")
    assert (asked.specifier, asked.listed) == (">=3.12", "backend/uv.lock")


def archive(folder: Path, version: str = "3.12.99") -> Build:
    """Return a build whose archive lies in a folder: as much of a Python as uv needs to unpack it."""
    minor = version.rsplit(".", 1)[0]
    path = folder / f"cpython-{version}+20261101-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, mode in ((f"bin/python{minor}", 0o755), (f"lib/python{minor}/os.py", 0o644)):
            entry = tarfile.TarInfo(f"python/{name}")
            entry.size, entry.mode = 8, mode
            tar.addfile(entry, io.BytesIO(b"#!/bin/x"))
    url = "file://" + str(path).replace("+", "%2B")
    return Build(version, "x86_64", url, hashlib.sha256(path.read_bytes()).hexdigest())


def listed(*builds: Build, **changes: object) -> dict[str, Any]:
    """Return builds as uv's list has them."""
    entries: dict[str, Any] = {}
    for build in builds:
        major, minor, patch = map(int, build.version.split("."))
        entries[build.interpreter.key] = {
            "name": "cpython", "arch": {"family": build.architecture, "variant": None}, "os": "linux", "libc": "gnu",
            "major": major, "minor": minor, "patch": patch, "prerelease": "", "url": build.url, "sha256": build.sha256,
            "variant": None, "build": "20261101", **changes,
        }  # fmt: skip
    return entries


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project's folder that has uv, on a computer of its own."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / ".samestack").mkdir()
    (tmp_path / ".samestack/uv").symlink_to(ROOT / ".samestack/uv")
    return tmp_path


def test_an_archive_is_fetched_once_by_uv(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = archive(base)
    (base / "list.json").write_text(json.dumps(listed(build)))
    found = Pythons(base, "", str(base / "list.json"))
    assert found.builds() == [build]
    path = found.archive(build.interpreter)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == build.sha256
    assert path.parent == base / "data/samestack/pythons", "each project of this computer has it"
    assert not list(path.parent.glob("unpacked-*"))
    # It is there now, whatever the list says, and in whichever way that is named.
    (base / "list.json").unlink()
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", "https://nowhere.invalid/list.json")
    assert Pythons(base, "", "").archive(build.interpreter) == path
    # What somebody wrote over is not taken.
    path.write_bytes(b"another")
    with pytest.raises(DecisionError, match=r"app_python_downloads = https://nowhere.invalid/list.json .*no list"):
        Pythons(base, "", "").archive(build.interpreter)


def test_an_archive_with_another_digest_is_refused(base: Path) -> None:
    build = archive(base)
    other = Build(build.version, build.architecture, build.url, "0" * 64)
    (base / "list.json").write_text(json.dumps(listed(other)))
    found = Pythons(base, "", str(base / "list.json"))
    with pytest.raises(SamestackError, match=r"Python 3.12.99 cannot be had from file://.*Hash mismatch"):
        found.archive(other.interpreter)
    assert not list(found.folder.glob("000000000-*"))


def test_a_mirror_stands_for_github(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = archive(base)
    folder = base / "mirror/20261101"
    folder.mkdir(parents=True)
    name = Path(build.url.replace("%2B", "+")).name
    (base / name).rename(folder / name)
    address = "https://github.com/astral-sh/python-build-standalone/releases/download/20261101/"
    there = Build(build.version, build.architecture, address + name.replace("+", "%2B"), build.sha256)
    (base / "list.json").write_text(json.dumps(listed(there)))
    decided = Pythons(base, f"file://{base}/mirror", str(base / "list.json"))
    assert decided.archive(there.interpreter).is_file()
    decided.archive(there.interpreter).unlink()
    monkeypatch.setenv("UV_PYTHON_INSTALL_MIRROR", f"file://{base}/mirror")
    assert Pythons(base, "", str(base / "list.json")).archive(there.interpreter).is_file()


def test_where_it_cannot_be_had_one_sentence_says_so(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    build = next(one for one in OURS if one.version == newest("3.12") and one.architecture == "x86_64")
    mirror = "https://somebody:secret@nowhere.invalid/pythons"
    with pytest.raises(SamestackError) as told:
        Pythons(base, mirror, "").archive(build.interpreter)
    assert re.match(
        rf"Python {build.version} cannot be had from https://nowhere.invalid/pythons/\d+/cpython-", str(told.value)
    )
    assert "\n" not in str(told.value)
    assert "secret" not in str(told.value) + told.value.hint
    assert "app_python_mirror" in told.value.hint
    assert "app_python: host" in told.value.hint


def test_a_list_that_is_none(base: Path) -> None:
    for text in ("no json", "[]", '{"a": {"name": "cpython"}}'):
        (base / "list.json").write_text(text)
        with pytest.raises(DecisionError, match=r"app_python_downloads = .*no list of Pythons as uv takes it"):
            Pythons(base, "", str(base / "list.json")).builds()


def test_what_no_server_could_run_is_left_out(base: Path) -> None:
    build = archive(base)
    for changes in (
        {"libc": "musl"}, {"os": "darwin"}, {"name": "pypy"}, {"variant": "freethreaded"}, {"prerelease": "rc1"},
        {"sha256": None}, {"arch": {"family": "x86_64", "variant": "v3"}},
    ):  # fmt: skip
        changed: Mapping[str, Any] = listed(build, **changes)
        assert list(in_list(changed)) == []


def test_a_release_names_it_and_runs_from_it() -> None:
    build = Build("3.12.16", "x86_64", "https://x/y.tar.gz", "ab" * 32)
    name = build.interpreter.name
    assert Interpreter.of(name) == build.interpreter
    assert program_of(name) == "/opt/samestack/python/" + "ab" * 6 + "/cpython-3.12.16-linux-x86_64-gnu/bin/python3.12"
    assert program_of("3.13") == "/usr/bin/python3"
    for strange in ("cpython-3.12.16-linux-x86_64-gnu", name.replace("ab", "a/"), name + " ", f"../{name}"):
        assert Interpreter.of(strange) is None
    assert brought_by({"inputs": {"python": name}}) == name
    assert brought_by({"inputs": {"python": "3.13"}}) == brought_by(None) == ""
    assert contents.stays_inside("bin/python", program_of(name))
    assert not contents.stays_inside("bin/python", "/opt/samestack/python/x/../../bin/python3.12")
    machine = {"os": "debian", "release": "13", "architecture": "x86_64", "python": "3.13.5"}
    assert platform_problem({"platform": "debian-13-x86_64", "python": name}, machine) == ""
    assert "debian-12" in platform_problem({"platform": "debian-12-x86_64", "python": name}, machine)


def test_root_takes_only_what_has_the_digest(tmp_path: Path) -> None:
    build = archive(tmp_path)
    arrived = tmp_path / f"{build.sha256[:9]}-cpython-3.12.99-20261101-x86_64.tar.gz"
    arrived.write_bytes(Path(build.url.removeprefix("file://").replace("%2B", "+")).read_bytes())
    (tmp_path / "own").mkdir()
    name = on_hosts.verified_copy(str(arrived), str(tmp_path / "own"), build.sha256)
    assert (tmp_path / "own" / arrived.name).read_bytes() == arrived.read_bytes()
    assert name == "cpython-3.12.99-20261101-x86_64.tar.gz"
    (tmp_path / "other").mkdir()
    with pytest.raises(HostError, match="its digest is"):
        on_hosts.verified_copy(str(arrived), str(tmp_path / "other"), "0" * 64)


def test_one_that_nobody_is_made_with_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "python"
    monkeypatch.setattr(on_hosts, "HOME", str(home))
    monkeypatch.setattr(on_hosts, "USED", re.compile(rf"^home\s*=\s*{home}/([0-9a-f]{{12}})/", re.MULTILINE))
    monkeypatch.setattr(on_hosts, "LOCK", str(tmp_path / "run/python"))
    old = time.time() - 2 * on_hosts.YOUNG
    for digit in "abcd":
        (home / (digit * 12) / "bin").mkdir(parents=True)
        mark = home / f"{digit * 12}.contents"
        mark.write_text("")
        if digit != "d":
            os.utime(mark, (old, old))
    for path, digit in (("one/venvs/000000000000", "a"), ("two/releases/live-code/venv", "b")):
        folder = tmp_path / "srv" / path
        folder.mkdir(parents=True)
        (folder / "pyvenv.cfg").write_text(f"home = {home}/{digit * 12}/cpython-3.12.16/bin\n")
    # One of a release, one of another application's live code, one that nobody has, and one that a build is to have
    assert on_hosts.prune(Place(str(tmp_path / "srv/one"), "000000000000")) == ["python-cccccccccccc"]
    assert sorted(path.name for path in home.iterdir() if path.is_dir()) == [digit * 12 for digit in "abd"]
