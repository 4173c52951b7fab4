"""The database server on its way back: how it is known that it has ended."""

from __future__ import annotations

import json
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from plugins.module_utils.backup import chain, pgbackrest, restore
from plugins.module_utils.backup.chain import Backup
from plugins.module_utils.backup.pgbackrest import Found
from plugins.module_utils.backup.planning import check_way
from plugins.module_utils.backup.restore import Restore
from plugins.module_utils.backup.settings import Settings
from plugins.module_utils.backup.target import LATEST, Target
from plugins.module_utils.common.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path

STARTING = """\
2026-11-29 18:20:10.510 UTC [18904] LOG:  database system was interrupted; last known up at 2026-11-29 18:20:08 UTC
2026-11-29 18:20:11.262 UTC [18931] postgres@postgres FATAL:  the database system is starting up
2026-11-29 18:20:13.117 UTC [18904] LOG:  starting point-in-time recovery to 2099-01-01 00:00:00+00
"""
REFUSED = """\
2026-11-29 18:20:15.126 UTC [18904] FATAL:  could not locate required checkpoint record
2026-11-29 18:20:15.129 UTC [18888] LOG:  shutting down due to startup process failure
2026-11-29 18:20:15.132 UTC [18888] LOG:  database system is shut down
"""


class Recovery(Restore):
    """A server that says so much, look by look, and at last answers."""

    def __init__(self, looks: list[tuple[str, str]]) -> None:
        """Take (what it has said, what systemd says of it), look by look."""
        self.looks, self.unit, self.stopped = looks, "postgresql@15-main.service", False
        self.data, self.missing, self.to = "/nowhere", "", "2027-01-15 08:00"
        self.lines: list[str] = []

    @property
    def server(self) -> Any:
        return SimpleNamespace(sql=lambda _: "")

    def log_size(self) -> int:
        return 0

    def is_running(self) -> bool:
        if len(self.looks) > 1:
            self.looks.pop(0)
            return False
        return not self.looks[0][1]

    def log_end(self, lines: int = 8) -> str:
        return self.looks[0][0]

    def systemctl(self, *words: str, check: bool = True) -> str:
        self.stopped = self.stopped or words[0] == "stop"
        return f"{self.looks[0][1]}\n" if words[0] == "show" else ""

    def as_account(self, *command: str, stdin: str = "", check: bool = True) -> str:
        return ""

    def raise_floor(self) -> bool:
        return False

    def leave_out(self, pattern: str) -> None:
        self.lines.append(pattern)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "POLL_SECONDS", 0)


def test_a_client_that_comes_too_early_ends_no_recovery() -> None:
    """Whoever looks after the server asks it while it recovers, and it says FATAL of each."""
    server = Recovery([(STARTING, "start")] * 5 + [(STARTING, "running")] * 5 + [(STARTING, "")])
    assert server.recover()
    assert not server.stopped


@pytest.mark.parametrize(
    "last", [(STARTING + REFUSED, "start"), (STARTING, "auto-restart"), (STARTING, "failed"), (STARTING, "dead")]
)
def test_one_that_has_ended_is_not_waited_for(last: tuple[str, str]) -> None:
    server = Recovery([(STARTING, "start"), (STARTING, "start"), last])
    assert not server.recover()
    assert server.stopped


PLAN: dict[str, Any] = {
    "kind": "time", "time": 1_800_000_000, "name": "", "line": 1, "backup": "20270115-070000F",
    "repository": {"number": 1},
}  # fmt: skip
EARLY = STARTING + f"2026-11-29 18:20:15.126 UTC [18904] FATAL:  {restore.TOO_EARLY}\n" + REFUSED


def server_that_ends_early(missing: str) -> Recovery:
    """One whose WAL ends before the moment, and that runs without one."""
    server = Recovery([(STARTING, "start"), (EARLY, "start"), (STARTING, "")])
    restores: Any = SimpleNamespace(restore=lambda *_: None, fetching=lambda *_: "true")
    server.pgbackrest, server.missing = restores, missing
    return server


def test_where_nothing_was_written_after_a_moment_the_end_is_it() -> None:
    server = server_that_ends_early("")
    server.fill(PLAN)
    assert server.lines[0] == "recovery_target"


def test_where_wal_is_missing_the_end_is_not_that_moment() -> None:
    """PostgreSQL says the same of both, and would serve what was there an hour earlier."""
    server = server_that_ends_early("000000010000000000000006")
    with pytest.raises(HostError, match="WAL 000000010000000000000006 is not in the repository"):
        server.fill(PLAN)
    assert server.lines == []


def test_a_moment_behind_missing_wal_is_refused_before_anything_is_touched() -> None:
    own = Backup("20270115-070000F", "full", 1, 2, chain.named(1, 3), chain.named(1, 4))
    found = Found([own], {chain.named(1, count): 1000.0 + count for count in (3, 4, 5, 7, 8)})
    check_way("latest", Target(LATEST, 9999), own, found)
    check_way("then", Target("time", 1005), own, found)
    with pytest.raises(HostError, match="WAL 000000010000000000000006 is not in the repository"):
        check_way("then", Target("time", 1006), own, found)


SAID = """stanza: site
        full backup: 20270115-070000F
            timestamp start/stop: 2027-01-15 07:00:00+00 / 2027-01-15 07:00:03+00
            wal start/stop: 000000010000000000000003 / 000000010000000000000003
            repo1: backup set size: 3.2MB, backup size: 3.2MB
            database list: postgres (5), site (16389)
            symlinks:
                postgresql.conf => /etc/postgresql/17/main/postgresql.conf
            tablespaces:
                quick (16391) => /mnt/fast/disk (1)
                a (b) => c (16392) => /mnt/more
"""
LOCAL = {"number": 1, "name": "local", "type": "local", "off_machine": False}
WHOLE = Found(
    [Backup("20270115-070000F", "full", 1_000, 1_010, chain.named(1, 3), chain.named(1, 3))],
    {chain.named(1, count): 1_000.0 + count for count in range(3, 9)},
    files={"backup/site/20270115-070000F/backup.manifest": (1, 1)}, backup_folder="backup/site",
)  # fmt: skip
LISTED = Found(WHOLE.backups, WHOLE.archived, backup_folder="backup/site")


def planned(
    monkeypatch: pytest.MonkeyPatch, found: Found, damaged: list[str], *, fetched: bool, to: str, **tablespaces: str
) -> Any:
    """What a database host plans whose own repository has so much, and where tablespaces are (of: path)."""
    database = {"data": "/nowhere", "unit": "postgresql@17-main.service", "port": 5432}
    settings = Settings(
        "site", "production", frozenset({"database"}), "root", "site", database, (LOCAL,),
        offer={"port": 1} if fetched else {},
    )  # fmt: skip
    server = Restore(settings, to)
    monkeypatch.setattr(restore, "damage", lambda *_: damaged)
    monkeypatch.setattr(Restore, "is_up", lambda _: True)
    has = {of: {"quick": path} for of, path in tablespaces.items()}
    monkeypatch.setattr(Restore, "server", SimpleNamespace(sql=lambda _: json.dumps(has.get("server", {}))))
    reads: Any = SimpleNamespace(
        found=lambda _: found, tablespaces=lambda *_: has.get("backup", {}), account=SimpleNamespace(pw_name="postgres")
    )
    server.pgbackrest = reads
    return server.plan()


@pytest.mark.parametrize(
    ("has", "to", "asks", "mends"),
    [
        ((WHOLE, []), "1970-01-01 00:20", "", False),
        ((WHOLE, []), "1970-01-01 00:01", "is before the first backup", False),
        ((Found(trouble="no list"), []), "latest", "is broken: no list", True),
        ((WHOLE, ["invalid file"]), "latest", "is broken: invalid file", True),
        ((LISTED, []), "latest", "backup 20270115-070000F has no manifest", True),
        ((Found(), []), "latest", "it has no backup", True),
    ],
)
def test_what_another_host_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, has: tuple[Found, list[str]], to: str, asks: str, mends: bool
) -> None:
    plan = planned(monkeypatch, *has, fetched=True, to=to)
    assert asks in plan["asks"]
    assert (bool(plan["asks"]), plan["mends"]) == (bool(asks), mends)
    assert plan["repository"] == LOCAL


def test_where_nobody_else_has_backups_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HostError, match="is before the first backup"):
        planned(monkeypatch, WHOLE, [], fetched=False, to="1970-01-01 00:01")
    # What is damaged may be what nobody needs; it is all that there is.
    assert planned(monkeypatch, WHOLE, ["invalid file"], fetched=False, to="latest")["backup"]


@pytest.mark.parametrize("to", ["1970-01-01 00:20", "1970-01-01 00:01"])
def test_a_tablespace_that_would_be_written_over_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    """Whether the host's own repository leads there, or another host is asked: what lies in it cannot be put aside."""
    used = tmp_path / "fast/disk (1)"
    (used / "PG_17_202406281").mkdir(parents=True)
    with pytest.raises(HostError, match=r"Tablespace quick lies in .*/fast/disk"):
        planned(monkeypatch, WHOLE, [], fetched=True, to=to, server=str(used))


def test_a_tablespace_of_a_backup_needs_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a machine that was made anew, too."""
    known: Any = {"fetched": False, "to": "latest", "backup": str(tmp_path / "fast")}
    with pytest.raises(HostError, match="an empty folder of the account postgres"):
        planned(monkeypatch, WHOLE, [], **known)
    (tmp_path / "fast").mkdir()
    assert planned(monkeypatch, WHOLE, [], **known)["backup"]


def test_tablespaces_are_read_out_of_what_is_said_of_a_backup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pgbackrest.PgBackRest, "do", lambda *_, **__: SAID)
    found = pgbackrest.PgBackRest("site", "root").tablespaces("20270115-070000F", 1)
    assert found == {"quick": "/mnt/fast/disk (1)", "a (b) => c": "/mnt/more"}


def test_a_broken_repository_is_put_aside_and_its_wal_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, given = tmp_path, tmp_path / "given"
    for name, text in (
        ("archive/site/archive.info", "broken"), ("archive/site/17-1/5", "broken"), ("archive/site/17-1/6", "newest"),
        ("backup/site/backup.info", "broken"), ("given/archive/site/archive.info", "whole"),
        ("given/archive/site/17-1/5", "whole"), ("given/backup/site/backup.info", "whole"),
        ("given/samestack-id", "one"),
    ):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name, value in (("REPOSITORY", root), ("GIVEN", given)):
        monkeypatch.setattr(restore.places, name, str(value))
    monkeypatch.setattr(restore, "STATE", str(tmp_path / "restore.json"))

    class Here(Recovery):
        def as_account(self, *command: str, stdin: str = "", check: bool = True) -> str:
            return subprocess.run(command, check=check, capture_output=True, text=True).stdout

    server = Here([("", "")])
    server.kept = []
    server.mend()
    (aside,) = root.glob("samestack.replaced-*")
    assert json.loads((root / "restore.json").read_text()) == {"kept": [str(aside)], "step": "done"}
    here = {name: (root / name).read_text() for name in ("archive/site/archive.info", "samestack-id")}
    assert here == {"archive/site/archive.info": "whole", "samestack-id": "one"}
    assert [(root / "archive/site/17-1" / name).read_text() for name in "56"] == ["whole", "newest"]
    assert (aside / "backup/site/backup.info").read_text() == "broken"
