"""What the facts module reads from a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from modules.machine_facts import candidates, installed, memory, os_release, upstream, uv_version

if TYPE_CHECKING:
    from pathlib import Path

NOBLE = 'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nNAME="Ubuntu"\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\nID=ubuntu\n\n'


class Module:
    def __init__(self, output: str) -> None:
        self.output = output
        self.calls: list[list[str]] = []

    def run_command(self, command: list[str]) -> tuple[int, str, str]:
        self.calls.append(command)
        return 0, self.output, ""


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


def test_only_what_is_fully_installed_counts() -> None:
    module = Module("ii  nginx 1.26.3-3\nrc  redis-server 5:8.0.2-3\niF  postgresql 17+278\nii  acl 2.3.2-2\n")
    assert installed(module) == {"nginx": "1.26.3", "acl": "2.3.2"}


def test_candidates_of_what_apt_knows() -> None:
    policy = (
        "nginx:\n  Installed: (none)\n  Candidate: 1.26.3-3+deb13u1\n  Version table:\n     1.26.3-3 500\n"
        "valkey:\n  Installed: (none)\n  Candidate: (none)\n"
    )
    assert candidates(Module(policy), ["nginx", "valkey"]) == {"nginx": "1.26.3"}


def test_nothing_is_asked_about_nothing() -> None:
    module = Module("")
    assert candidates(module, []) == {}
    assert module.calls == []


def test_version_of_uv_is_what_it_says(tmp_path: Path) -> None:
    program = tmp_path / "uv"
    module = Module("uv 0.13.9 (x86_64-unknown-linux-gnu)\n")
    assert uv_version(module, str(program)) == ""
    program.touch()
    # An upgrade that was cut off leaves a file that cannot be run.
    assert uv_version(module, str(program)) == ""
    assert module.calls == []
    program.chmod(0o755)
    assert uv_version(module, str(program)) == "0.13.9"
