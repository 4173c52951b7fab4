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
        ("postgresql", "extension:citext", "1.6", None, "--as owner, there: DROP EXTENSION citext"),
        ("postgresql", "superusers", ["mallory"], None, 'psql -c "ALTER ROLE mallory NOSUPERUSER'),
        ("schema", "table:board", "owner postgres", "owner shop_owner", "./samestack provision production"),
        ("schema", "board.column", "text", None, "ALTER TABLE board DROP COLUMN column"),
        ("kernel", "vm.swappiness", "60", "10", "sudo sysctl -w vm.swappiness=10"),
        ("timers", "cron:/etc/cron.d/mine", ["* * * * * root x"], None, "sudo rm /etc/cron.d/mine"),
        ("timers", "mine.timer", "OnCalendar", None, "sudo systemctl disable --now mine.timer"),
        ("accounts", "user:eve", "home", None, "sudo userdel eve"),
        ("accounts", "group:sudo", ["a", "eve"], ["a"], "sudo gpasswd -d eve sudo"),
        ("files", "/etc/x", "sha256:0 root:root 0644", None, "sudo rm /etc/x"),
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
