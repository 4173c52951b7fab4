"""Dev gets a sanitised copy, uploads included, and files that people bring; what cannot be loaded changes nothing."""

from __future__ import annotations

import gzip
import stat
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.parity.conftest import Rehearsal
    from tests.support.machines import Machine

MEDIA = "/srv/noticeboard/shared/media"
SANITISE = """
models:
  auth.User: {username: hash, first_name: fake name, last_name: empty, email: fake e-mail}
  board.Category: {name: hash, slug: hash}
  board.Notice: {title: hash, body: hash, attachment: keep, checksum: hash, read_by: hash}
  board.TimerRun: {name: hash, outcome: empty}
uploads: [attachments]
"""
ROWS = """
SET ROLE noticeboard_owner;
DELETE FROM board_category WHERE id = 901; DELETE FROM auth_user WHERE id = 901;
INSERT INTO board_category (id, name, slug) VALUES (901, 'canary-cat', 'canary-slug');
INSERT INTO auth_user
    (id, username, email, first_name, last_name, password, is_superuser, is_staff, is_active, date_joined)
  VALUES (901, 'canary-user', 'canary@example.org', 'canary', 'canary', 'canary', false, false, true, '2026-01-02');
"""
ASK = """
import socket, ssl, sys
name = sys.argv[1]
to = ssl._create_unverified_context().wrap_socket(socket.create_connection(("127.0.0.1", 443)), server_hostname=name)
to.sendall(f"GET / HTTP/1.1\\r\\nHost: {name}\\r\\nConnection: close\\r\\n\\r\\n".encode())
print(to.recv(12).decode().split()[1])
"""
UPLOADS = f"""
cd {MEDIA}; mkdir -p attachments/2026 private
echo shared > attachments/2026/notice.txt; echo canary > private/letter.txt
ln -sfn {MEDIA}/private/letter.txt attachments/link.txt
"""


def as_app(machine: Machine, script: str) -> str:
    return machine.run(f"runuser -u noticeboard -- sh -euc '{script}'")


@pytest.fixture(scope="module")
def pulled(team: Rehearsal) -> Iterator[Rehearsal]:
    """Dev with production's data."""
    (team.clone.folder / "sanitise.yml").write_text(SANITISE, encoding="utf-8")
    team.sql("production", ROWS)
    as_app(team.machine("production"), UPLOADS)
    as_app(team.dev, f"cd {MEDIA}; mkdir -p attachments own; echo old > attachments/old.txt; echo mine > own/mine.txt")
    team.clone.samestack("pull", "production", "--rehearsal", "--confirm")
    yield team
    team.sql("production", "DELETE FROM board_category WHERE id = 901; DELETE FROM auth_user WHERE id = 901;")


def dev_sql(team: Rehearsal, statement: str) -> str:
    return team.dev.run(f'cd / && sudo -u postgres psql -XqAt -d noticeboard -c "{statement}"').strip()


def serves(team: Rehearsal) -> bool:
    """Tell whether dev's site answers, through its web server."""
    name = team.dev.variable("app_domains")[0]
    return team.dev.run(f"python3 - {name} <<'END'\n{ASK}END\n").strip() == "200"


def test_dev_has_the_data_and_nothing_of_the_originals(pulled: Rehearsal) -> None:
    assert dev_sql(pulled, "SELECT count(*) FROM board_category WHERE id = 901") == "1"
    assert "canary" not in pulled.dev.run("cd / && sudo -u postgres pg_dump noticeboard")
    assert serves(pulled)


def test_declared_folders_of_uploads_come_along_and_no_others(pulled: Rehearsal) -> None:
    dev = pulled.dev
    found = dev.run(f"cd {MEDIA} && find . -type f -o -type l | sort").split()
    assert "./attachments/2026/notice.txt" in found
    assert "./own/mine.txt" in found
    assert not {"./attachments/old.txt", "./attachments/link.txt", "./private/letter.txt"} & set(found)
    assert dev.run("cat /srv/noticeboard/shared/data/replaced-uploads/attachments/old.txt").strip() == "old"
    assert dev.run(f"stat -c %U:%G {MEDIA}/attachments/2026/notice.txt").strip() == "noticeboard:www-data"


def test_a_dump_of_ones_own_is_written_and_loaded(pulled: Rehearsal, tmp_path: Path) -> None:
    clone = pulled.clone
    for name in ("own.pgdump", "own.sql"):
        clone.samestack("dump", "--output", str(tmp_path / name))
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    dev_sql(pulled, "SET ROLE noticeboard_owner; DELETE FROM board_category WHERE id = 901")
    clone.samestack("load", str(tmp_path / "own.pgdump"), "--confirm")
    assert dev_sql(pulled, "SELECT count(*) FROM board_category WHERE id = 901") == "1"
    packed = tmp_path / "other.sql.gz"
    text = (tmp_path / "own.sql").read_text(encoding="utf-8")
    noise = (
        "CREATE ROLE bob;\nALTER TABLE public.board_notice OWNER TO bob;\nGRANT ALL ON public.board_notice TO bob;\n"
    )
    packed.write_bytes(gzip.compress((text + noise).encode()))
    clone.samestack("load", str(packed), "--confirm", "--no-restore-point")
    assert dev_sql(pulled, "SELECT count(*) FROM board_category WHERE id = 901") == "1"
    assert (
        dev_sql(pulled, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'") == "noticeboard_owner"
    )
    assert serves(pulled)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("CREATE TABLE a (x int);\nINSERT INTO nowhere VALUES (1);\n", "nowhere"),
        ("CREATE TABLE a (x int);\n\\! touch /tmp/run\n", "command of psql's"),
        # It can be loaded, and migrations cannot be run on it.
        ("CREATE TABLE django_migrations (x int);\n", ""),
    ],
)
def test_what_cannot_be_loaded_leaves_the_database_and_the_site(
    pulled: Rehearsal, tmp_path: Path, text: str, part: str
) -> None:
    (tmp_path / "bad.sql").write_text(text, encoding="utf-8")
    said = pulled.clone.refuses("load", str(tmp_path / "bad.sql"), "--confirm")
    assert part in said
    assert dev_sql(pulled, "SELECT count(*) FROM board_category WHERE id = 901") == "1"
    assert serves(pulled)
    assert pulled.dev.run("ls /var/lib/samestack/copies; ls /tmp/run 2>/dev/null || true").strip() == ""
    assert dev_sql(pulled, "SELECT count(*) FROM pg_database WHERE datname ~ '_(copy|restoring)$'") == "0"


def test_a_file_that_is_something_else_is_named(pulled: Rehearsal, tmp_path: Path) -> None:
    (tmp_path / "db.sqlite3").write_bytes(b"SQLite format 3\0")
    assert "pgloader" in pulled.clone.refuses("load", str(tmp_path / "db.sqlite3"), "--confirm")
