"""What mends a difference: our verb, or the exact command on the host."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.plugin_utils.parity.compare import compare
from plugins.plugin_utils.parity.remedies import mends
from tests.support.manifests import envelope


def mend(section: str, key: str, now: Any, before: Any = None, **other: Any) -> str:
    """Return the command for what somebody changed on production."""
    left = {section: {key: before, "another": "x"}}
    three = [envelope(name, before=left) for name in ("dev", "staging")]
    three.append(envelope("production", {section: {key: now}}, before=left, **other))
    found = compare(three)
    (difference,) = [one for one in found.bad if one.section == section]
    (command,) = mends(difference, found)
    return command


@pytest.mark.parametrize(
    ("section", "key", "now", "before", "command"),
    [
        ("packages", "cowsay", "3.03 [x]", None, "on production1: sudo apt-get remove cowsay"),
        ("packages", "a", "2-1 [x]", "1-1 [x]", "on production1: sudo apt-get install --allow-downgrades a=1-1"),
        ("packages", "a", None, "1-1 [x]", "on production1: sudo apt-get install a=1-1"),
        ("postgresql", "setting:work_mem", "9MB", "8MB", "ALTER SYSTEM RESET work_mem"),
        ("postgresql", "extension:citext", "1.6", None, """psql -d postgres -c 'DROP EXTENSION "citext"'"""),
        ("postgresql", "role:eve", "login, at most 3 connections", "login", "./samestack provision production"),
        ("postgresql", "superusers", ["mallory"], None, 'psql -c "ALTER ROLE mallory NOSUPERUSER'),
        ("schema", "table:board", "owner postgres", "owner shop_owner", "./samestack provision production"),
        ("schema", "board.column", "text", None, 'ALTER TABLE IF EXISTS "board" DROP COLUMN IF EXISTS "column"'),
        ("schema", "extra.board.column", "text", None, 'ALTER TABLE IF EXISTS "extra"."board" DROP COLUMN'),
        ("schema", "index:board_i", "CREATE", None, 'DROP INDEX IF EXISTS "board_i"'),
        ("schema", "trigger:board.t", "CREATE", None, 'DROP TRIGGER IF EXISTS "t" ON "board"'),
        ("schema", "policy:board.p", "r", None, 'DROP POLICY IF EXISTS "p" ON "board"'),
        ("schema", "constraint:board.c", "CHECK", None, 'ALTER TABLE IF EXISTS "board" DROP CONSTRAINT IF EXISTS "c"'),
        ("schema", "function:f(a text)", "1f", None, 'DROP ROUTINE IF EXISTS "f"(a text)'),
        ("schema", "type:t", "a, b", None, 'DROP TYPE IF EXISTS "t"'),
        ("schema", "view:v", "owner shop", None, 'DROP VIEW IF EXISTS "v"'),
        ("schema", "table:board", "owner shop", None, "write a migration, then ./samestack deploy production"),
        ("schema", "trigger:board.t", None, "CREATE", "write a migration, then ./samestack deploy production"),
        ("schema", "table:board", "owner a, eve=SELECT", "owner a", 'REVOKE SELECT ON TABLE "board" FROM "eve"'),
        ("schema", "table:board", "owner a", "owner a, b=SELECT*", 'GRANT SELECT ON TABLE "board" TO "b" WITH GRANT'),
        ("schema", "sequence:s", "owner a, without a=USAGE", "owner a", 'GRANT USAGE ON SEQUENCE "s" TO "a"'),
        ("schema", "schema:public", "owner a PUBLIC=CREATE", "owner a", 'REVOKE CREATE ON SCHEMA "public" FROM PUBLIC'),
        ("schema", "table:board", "owner eve", "owner shop", 'ALTER TABLE "board" OWNER TO "shop"'),
        ("postgresql", "setting:work_mem for eve in any database", "9MB", None, 'ALTER ROLE "eve" RESET work_mem'),
        ("postgresql", "setting:work_mem for any role in shop", "9MB", None, 'ALTER DATABASE "shop" RESET work_mem'),
        ("postgresql", "setting:a.b for eve in shop", "1", "2", 'ALTER ROLE "eve" IN DATABASE "shop" SET a.b TO '),
        ("postgresql", "setting:work_mem for any role in any database", "9", None, "ALTER ROLE ALL RESET work_mem"),
        ("postgresql", "role:eve:password", "keyed:1", None, 'DROP ROLE IF EXISTS "eve"'),
        ("postgresql", "replication:slot", "physical", None, "SELECT pg_drop_replication_slot("),
        ("postgresql", "extension:citext", None, "1.6 in public", "add citext to database_extensions"),
        ("postgresql", "extension:citext", "1.5 in a", "1.6 in b", 'ALTER EXTENSION "citext" UPDATE TO '),
        ("kernel", "vm.swappiness", "60", "10", "sudo sysctl -w vm.swappiness=10"),
        ("timers", "cron:/etc/cron.d/mine", ["* * * * * root x"], None, "sudo rm /etc/cron.d/mine"),
        ("timers", "mine.timer", "OnCalendar", None, "sudo systemctl disable --now mine.timer"),
        ("accounts", "user:eve", "home", None, "sudo userdel eve"),
        ("accounts", "group:sudo", ["a", "eve"], ["a"], "sudo gpasswd -d eve sudo"),
        ("files", "/etc/x", "sha256:0 root:root 0644", None, "sudo rm /etc/x"),
        (
            "files",
            "/etc/hosts",
            "sha256:0 root:root 0644",
            "sha256:1 root:root 0644",
            "on production1: put /etc/hosts as",
        ),
        ("files", "/etc/x", "sha256:0 root:root 0644, not as its package brought it", None, "$(dpkg-query -S /etc/x |"),
        ("files", "setuid:/usr/bin/x", "root:root 4755", None, "sudo chmod u-s,g-s /usr/bin/x"),
        ("files", "/etc/x", "sha256:0 root:root 0644", "sha256:1 root:root 0644", "put /etc/x as it is on staging1"),
        ("units", "active:mine.service", "active", None, "sudo systemctl disable --now mine.service"),
        ("units", "file:/etc/systemd/system/x.d/a", "sha256:0", None, "sudo rm /etc/systemd/system/x.d/a"),
        ("firewall", "inet samestack chain input", ["a", "b"], ["a"], "sudo systemctl reload nftables.service"),
        ("kernel", "net.ipv4.tcp_rmem", "1 2 3", "4 5 6", "sudo sysctl -w 'net.ipv4.tcp_rmem=4 5 6'"),
        ("kernel", "limit:shop-web@live.service:open files", "1 2", "3 4", "./samestack provision production"),
        ("nginx", "http/server_tokens", "on", "off", "./samestack provision production"),
        ("nginx", "not read yet", ["/etc/nginx/nginx.conf"], [], "sudo systemctl reload nginx.service"),
        ("environment", "NEW", "x", None, "./samestack provision production"),
        ("venv", "django", "6 sha256:0", "5 sha256:1", "./samestack repair production"),
        ("release", "changed", ["source/a.py (changed)", "b (added)"], [], "./samestack repair production"),
        ("certificates", "trusted:CN=x", "AA, ends", None, "sudo update-ca-certificates --fresh"),
        ("python", "local:mine", "1.0", None, "remove mine from /usr/local/lib/python3*/dist-packages"),
        ("accounts", "sudo:/etc/sudoers.d/mine", ["a"], None, "sudo rm /etc/sudoers.d/mine"),
        ("accounts", "key:eve:SHA256:x", "ssh-ed25519", None, "~eve/.ssh/authorized_keys"),
        ("accounts", "sshd:x11forwarding", "yes", "no", "sudo systemctl reload ssh"),
        ("sources", "deb http://x y", "main", None, "take it out of /etc/apt"),
        ("sockets", "tcp 0.0.0.0:4444", ["nc (nc.service)"], None, "stop nc (nc.service)"),
    ],
)
def test_the_command(section: str, key: str, now: Any, before: Any, command: str) -> None:
    assert command in mend(section, key, now, before)


def test_a_stand_in_is_mended_as_one() -> None:
    assert mend("environment", "NEW", "x", rehearsal=True) == "./samestack provision production --rehearsal"


def test_words_of_the_host_are_quoted() -> None:
    assert mend("files", "/etc/a b;c", "sha256:0 root:root 0644").endswith("sudo rm '/etc/a b;c'")
