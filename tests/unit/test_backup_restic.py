"""restic beside what serves a repository: whose files it leaves there."""

from __future__ import annotations

import os
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.backup import restic
from plugins.module_utils.backup.restic import Restic
from plugins.module_utils.common.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEEPER, GROUP = 990, 991
FOLDERS = {"/var/lib/samestack-uploads": KEEPER, "/var/lib/samestack/backup-uploads": 0}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], Mapping[str, Any]]]:
    """What is run, as root, where there are repositories of root's and of others."""
    said: list[tuple[list[str], Mapping[str, Any]]] = []

    def answer(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        said.append((command, options))
        return subprocess.CompletedProcess(command, 0, "", "")

    def lstat(path: Any, **options: Any) -> Any:
        return SimpleNamespace(st_uid=FOLDERS[path], st_gid=GROUP) if path in FOLDERS else there(path, **options)

    there = os.lstat
    monkeypatch.setattr(subprocess, "run", answer)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "lstat", lstat)
    return said


def test_what_expires_is_rewritten_by_whoever_serves_it(run: list[Any]) -> None:
    """An index that root has written nobody else reads: no copy could be added any more."""
    Restic("/var/lib/samestack-uploads", {}).forget(["aa"])
    command, options = run[-1]
    assert (options["user"], options["group"], options["extra_groups"]) == (KEEPER, GROUP, [])
    # Its account has no way to root's cache.
    assert "--no-cache" in command


@pytest.mark.parametrize("address", ["rest:https://10.0.3.30:8433/", "/var/lib/samestack/backup-uploads", "/nowhere"])
def test_elsewhere_root_stays_root(run: list[Any], address: str) -> None:
    Restic(address, {}).check("5%")
    ((command, options),) = run
    assert "user" not in options
    assert f"--cache-dir={restic.CACHE}" in command


def test_what_is_restored_has_its_owners_and_leaves_no_lock(run: list[Any]) -> None:
    Restic("/var/lib/samestack-uploads", {}).restore("aa", "/var/lib/samestack-drill/code")
    ((command, options),) = run
    assert "user" not in options
    assert "--no-lock" in command
    # Over the way that only adds, its lock keeps what is read from being removed.
    Restic("rest:https://10.0.3.30:8433/", {}).restore("aa", "/srv/site/coming")
    assert "--no-lock" not in run[-1][0]


@pytest.mark.parametrize(("ends", "wrong"), [([0], 0), ([1, 0], 0), ([1, 1], 1)])
def test_a_check_is_in_no_copys_way(monkeypatch: pytest.MonkeyPatch, ends: list[int], wrong: int) -> None:
    """One that is made while it looks lacks something the first time."""
    said: list[tuple[str, ...]] = []

    def run(_: Restic, *words: str) -> subprocess.CompletedProcess[str]:
        said.append(words)
        return subprocess.CompletedProcess(words, ends[len(said) - 1], "", "Fatal: a tree is not there")

    monkeypatch.setattr(Restic, "run", run)
    assert len(Restic("/nowhere", {}).check("5%")) == wrong
    assert [("--no-lock" in words, "--read-data-subset=5%" in words) for words in said] == [(True, True)] * len(ends)


def test_the_lock_of_one_that_was_killed_goes(run: list[Any]) -> None:
    own = Restic("/var/lib/samestack/backup-uploads", {})
    assert not own.prepare()
    own.forget(["aa"])
    assert [command[2] for command, _ in run] == ["cat", "unlock", "unlock", "forget"]


ENDED = '{"message_type":"exit_error","code":1,"message":"Fatal: unable to start the sftp session, error: EOF"}'


@pytest.mark.parametrize(
    ("by_ssh", "said"),
    [
        (
            "@@@@@\nHost key for [storage]:2222 has changed.\nHost key verification failed.",
            "Host key verification failed.",
        ),
        ("", "Fatal: unable to start the sftp session, error: EOF"),
    ],
)
def test_why_ssh_refuses_is_said_though_restic_ends_before_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_ssh: str, said: str
) -> None:
    for name, text in (("restic", ENDED), ("ssh", by_ssh)):
        (tmp_path / name).write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{text}\nEND\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(restic, "PROGRAM", str(tmp_path / "restic"))
    with pytest.raises(HostError) as raised:
        Restic("sftp:sftp:/backups", {}, options=[f"sftp.command={tmp_path}/ssh -s sftp"]).snapshots()
    assert str(raised.value) == f"restic could not snapshots: {said}"
