"""What is read from a machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from plugins.module_utils.standalone import look
from plugins.module_utils.standalone.look import (
    candidates,
    installed,
    lists_updated,
    memory,
    os_release,
    owed_apps,
    upstream,
    uv_version,
)
from plugins.modules import machine_facts

NOBLE = 'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nNAME="Ubuntu"\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\nID=ubuntu\n\n'


class Programs:
    """Stands for what is run on the host."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, output: str) -> None:
        self.output = output
        self.calls: list[tuple[str, ...]] = []
        monkeypatch.setattr(look, "run", self)

    def __call__(self, *command: str) -> str:
        self.calls.append(command)
        return self.output


def test_os_release_without_its_quotes(tmp_path: Path) -> None:
    file = tmp_path / "os-release"
    file.write_text(NOBLE)
    found = os_release(str(file))
    assert (found["ID"], found["VERSION_ID"], found["VERSION_CODENAME"]) == ("ubuntu", "24.04", "noble")


def test_memory_in_mib(tmp_path: Path) -> None:
    file = tmp_path / "meminfo"
    file.write_text("MemTotal:        2035712 kB\nHugePages_Total:       0\nSwapTotal:       1048572 kB\n")
    assert memory(str(file)) == (1988, 1023)


@pytest.mark.parametrize(
    ("version", "short"),
    [
        ("1.26.3-3+deb13u1", "1.26.3"),
        ("5:7.0.15-1~deb12u5", "7.0.15"),
        ("1:9.6p1-3ubuntu13.14", "9.6"),
        ("15+248", "15"),
        ("17+278+deb13u1", "17"),
        ("20250326", "20250326"),
        ("unversioned", "unversioned"),
    ],
)
def test_upstream_version(version: str, short: str) -> None:
    assert upstream(version) == short


def test_only_what_is_fully_installed_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    Programs(monkeypatch, "ii  nginx 1.26.3-3\nrc  redis-server 5:8.0.2-3\niF  postgresql 17+278\nii  acl 2.3.2-2\n")
    assert installed() == {"nginx": "1.26.3", "acl": "2.3.2"}


def test_candidates_of_what_apt_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = (
        "nginx:\n  Installed: (none)\n  Candidate: 1.26.3-3+deb13u1\n  Version table:\n     1.26.3-3 500\n"
        "valkey:\n  Installed: (none)\n  Candidate: (none)\n"
    )
    Programs(monkeypatch, policy)
    assert candidates(["nginx", "valkey"]) == {"nginx": "1.26.3"}


def test_nothing_is_asked_about_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = Programs(monkeypatch, "")
    assert candidates([]) == {}
    assert programs.calls == []


def test_version_of_uv_is_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "uv"
    programs = Programs(monkeypatch, "uv 0.13.9 (x86_64-unknown-linux-gnu)\n")
    assert uv_version(str(program)) == ""
    program.touch()
    # An upgrade that was cut off leaves a file that cannot be run.
    assert uv_version(str(program)) == ""
    assert programs.calls == []
    program.chmod(0o755)
    assert uv_version(str(program)) == "0.13.9"


def test_whose_processes_have_to_take_up_a_change(tmp_path: Path) -> None:
    assert owed_apps(str(tmp_path / "none")) == []
    (tmp_path / "noticeboard").touch()
    assert owed_apps(str(tmp_path)) == ["noticeboard"]


def test_the_look_runs_by_itself_with_nothing_but_the_standard_library() -> None:
    """As the action sends it; this computer is a Debian or Ubuntu machine too, or the test says why not."""
    if not Path("/var/lib/dpkg/updates").is_dir():
        pytest.skip("this computer has no dpkg")
    program = Path(look.__file__).read_bytes()
    done = subprocess.run([sys.executable, "-I", "-S", "-", "[]"], input=program, capture_output=True, check=True)
    documented = yaml.safe_load(machine_facts.RETURN)["ansible_facts"]["sample"]["machine"]
    # What was there before follows from whose the machine is to be.
    assert {*json.loads(done.stdout), "former"} == set(documented)


def test_the_moment_of_the_lists(tmp_path: Path) -> None:
    assert lists_updated(str(tmp_path)) == ""
    (tmp_path / "partial").mkdir()
    (tmp_path / "deb.debian.org_debian_dists_trixie_InRelease").touch()
    for path, moment in ((tmp_path / "partial", 1_800_000_000), (tmp_path, 1_700_000_000)):
        os.utime(path, (moment, moment))
    assert lists_updated(str(tmp_path)) == time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(1_800_000_000))


def test_a_machine_of_somebodys_is_not_nobodys(tmp_path: Path) -> None:
    file = tmp_path / "machine.json"
    assert look.owner(str(file)) == {}
    file.write_text('{"app": "shop"}\\n', encoding="utf-8")
    with pytest.raises(SystemExit, match=f"`sudo rm {file}`"):
        look.owner(str(file))
    # What the message says to do
    file.unlink()
    assert look.owner(str(file)) == {}
