"""The machine itself: files, units, users, ssh, firewall, time, logs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from plugins.module_utils.standalone import audit

if TYPE_CHECKING:
    from tests.support.machines import Environment, Machine

#: What every machine has beside our ports: DHCP's client, and the local resolver.
OTHER_UDP = {68, 546}


def test_files_have_their_owner_and_mode(machine: Machine) -> None:
    wanted = {path: entry for path, entry in machine.certain_entries.items() if entry["state"] in ("file", "directory")}
    paths = " ".join(shlex.quote(path) for path in wanted)
    lines = machine.run(f"stat --dereference --printf '%n\\t%U\\t%G\\t%a\\t%F\\n' {paths}").splitlines()
    found = {
        path: (user, group, int(mode, 8), kind)
        for path, user, group, mode, kind in (line.split("\t") for line in lines)
    }
    for path, entry in wanted.items():
        mode = int(entry["mode"] or ("0644" if entry["state"] == "file" else "0755"), 8)
        user, group, real_mode, kind = found[path]
        assert (user, group, oct(real_mode)) == (entry["owner"], entry["group"], oct(mode)), path
        assert kind.endswith(entry["state"]), path


def test_files_say_what_the_roles_say(machine: Machine) -> None:
    wanted = {
        path: hashlib.sha256(base64.b64decode(entry["data"])).hexdigest()
        for path, entry in machine.certain_entries.items()
        if entry["state"] == "file" and not entry["secret"] and not entry["initial"]
    }
    lines = machine.run("sha256sum " + " ".join(shlex.quote(path) for path in wanted)).splitlines()
    found = {line[66:]: line[:64] for line in lines}
    assert [path for path in wanted if found[path] != wanted[path]] == []


def test_links_and_absences(machine: Machine) -> None:
    for path, entry in machine.expected.entries.items():
        if entry["state"] == "link":
            assert machine.run(f"readlink {path}").strip() == entry["target"]
        elif entry["state"] == "absent":
            assert not machine.host.file(path).exists, path


def test_units_are_in_their_state(machine: Machine) -> None:
    for name, unit in machine.expected.units.items():
        shown = dict(
            line.split("=", 1)
            for line in machine.run(f"systemctl show -p ActiveState,UnitFileState {name}").splitlines()
        )
        if unit.get("started") is not None:
            assert (shown["ActiveState"] == "active") == unit["started"], name
        if unit.get("enabled") and shown["UnitFileState"] not in ("static", "alias", "indirect", "generated"):
            assert shown["UnitFileState"] == "enabled", name


def test_nothing_has_failed(machine: Machine) -> None:
    assert machine.run("systemctl list-units --failed --plain --no-legend") == ""


def test_no_unit_waits_for_a_reload_of_systemd(machine: Machine) -> None:
    assert "yes" not in machine.run("systemctl show -p NeedDaemonReload '*'")


def test_packages_are_installed(machine: Machine) -> None:
    wanted = machine.value("host_packages")
    assert [name for name in wanted if name not in machine.facts["packages"]] == []


def test_only_declared_ports_listen_for_others(machine: Machine) -> None:
    allowed = {rule["port"] for rule in machine.value("host_open_ports")}
    for line in machine.run("ss -Hlntu").splitlines():
        protocol, _state, _received, _sent, local, *_rest = line.split()
        address, port = local.rsplit(":", 1)
        if re.match(r"127\.|\[::1\]|::1", address):
            continue
        assert int(port) in (allowed if protocol == "tcp" else OTHER_UDP), line


def reachable(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1.5).close()
    except OSError:
        return False
    return True


def test_the_firewall_lets_in_what_is_declared_and_nothing_else(machine: Machine) -> None:
    rules = machine.value("host_open_ports")
    anyone = {rule["port"] for rule in rules if not rule.get("from")}
    closed = {rule["port"] for rule in rules if rule.get("from")} | {5432, 6379, 8000}
    machine.run(
        "systemd-run --quiet --collect --unit samestack-test-listener python3 -m http.server 8000 --bind 0.0.0.0"
    )
    try:
        assert {port for port in anyone if not reachable(machine.address, port)} == set()
        # This computer is none of the declared clients.
        assert {port for port in closed - anyone if reachable(machine.address, port)} == set()
    finally:
        machine.run("systemctl stop samestack-test-listener")


def test_neighbours_reach_their_services(environment: Environment) -> None:
    for server in environment.machines():
        for rule in server.value("host_open_ports"):
            clients = [other for other in environment.machines() if other.address in rule.get("from", [])]
            for client in clients:
                client.run(f"timeout 3 bash -c '</dev/tcp/{server.address}/{rule['port']}'")


def test_ssh_takes_keys_only(machine: Machine) -> None:
    settings = dict(line.split(" ", 1) for line in machine.run("sshd -T").splitlines() if " " in line)
    assert settings["passwordauthentication"] == "no"
    assert settings["kbdinteractiveauthentication"] == "no"
    assert settings["permitemptypasswords"] == "no"
    assert settings["permitrootlogin"] in ("without-password", "prohibit-password", "no")


def test_time_and_language(machine: Machine) -> None:
    assert machine.run("date +%Z").strip() == "UTC" or machine.value("host_timezone") != "Etc/UTC"
    assert machine.run("readlink -f /etc/localtime").strip().endswith(machine.value("host_timezone"))
    assert machine.run(f"LC_ALL={machine.value('host_locale')} locale charmap").strip() == "UTF-8"
    assert f"LANG={machine.value('host_locale')}" in machine.run("cat /etc/default/locale")


def test_the_journal_is_kept_and_bounded(machine: Machine) -> None:
    settings = machine.run("systemd-analyze cat-config systemd/journald.conf")
    assert re.findall(r"^SystemMaxUse=(.*)$", settings, re.MULTILINE)[-1] == str(machine.value("host_journal_limit"))
    assert re.findall(r"^Storage=(.*)$", settings, re.MULTILINE)[-1] == "persistent"
    assert machine.host.file("/var/log/journal").is_directory


def test_security_upgrades_come_by_themselves(machine: Machine) -> None:
    wanted = machine.value("host_unattended_upgrades")
    shown = machine.run("apt-config shell ON APT::Periodic::Unattended-Upgrade")
    assert ("ON='1'" in shown) == wanted
    if wanted:
        assert machine.run("systemctl is-active apt-daily-upgrade.timer").strip() == "active"
        allowed = machine.run("apt-config dump Unattended-Upgrade")
        assert "security" in allowed


def test_logs_are_rotated(machine: Machine) -> None:
    assert machine.run("systemctl is-enabled logrotate.timer").strip() == "enabled"


def test_no_setting_waits_for_a_service(machine: Machine) -> None:
    assert machine.run("ls /var/lib/samestack/pending 2>/dev/null || true") == ""


def test_memory_at_rest(machine: Machine) -> None:
    """PSS (proportional share) of all processes but the application's own workers and the login that asks."""
    script = (
        "for p in /proc/[0-9]*; do u=$(grep -o '[^/]*\\.service$' $p/cgroup 2>/dev/null | tail -1); "
        # Processes end while they are asked.
        "s=$(awk '/^Pss:/{print $2}' $p/smaps_rollup 2>/dev/null || true); "
        '[ -n "$s" ] && echo "$s ${u:-none}"; done; true'
    )
    used = [line.split() for line in machine.run(script).splitlines()]
    own = re.compile(rf"{machine.app}-(web|worker)|^none$|^user@|session-")
    total = sum(int(size) for size, unit in used if not own.search(unit)) // 1024
    # Exporters are four programs more, and nobody's who does not ask for them.
    assert total < (300 if machine.variable("watch_exporters") else 250), f"{total} MiB"


def test_rules_of_hardening_are_in_force(machine: Machine) -> None:
    """What a container cannot set is told apart from what is wrong."""
    program = Path(audit.__file__).read_text(encoding="utf-8") + "\nprint(json.dumps(own_rules()))\n"
    found = json.loads(machine.run(f"python3 -I -S - <<'AUDIT'\n{program}\nAUDIT\n"))
    assert found["broken"] == {}
    assert found["met"] > len(found["not_here"])


def test_nothing_waits_to_go_back(machine: Machine) -> None:
    assert machine.run("systemctl list-units --plain --no-legend 'samestack-go-back-*'") == ""


def test_a_timer_that_starts_at_boot_runs_already(machine: Machine) -> None:
    """Else the machine would be another one after its next start."""
    listed = machine.run("systemctl list-unit-files 'samestack-*.timer' --state=enabled --no-legend --plain")
    enabled = [line.split()[0] for line in listed.splitlines()]
    states = machine.host.run(f"systemctl is-active {' '.join(enabled)}").stdout.split()
    assert "samestack-manifest.timer" in enabled
    assert [name for name, state in zip(enabled, states, strict=True) if state != "active"] == []
