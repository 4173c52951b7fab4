"""What others have made of a machine stands in the way of nothing, and nothing of it undoes what was meant to hold."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from plugins.plugin_utils.connection.outside import offered_methods
from plugins.plugin_utils.connection.target import Target

if TYPE_CHECKING:
    from tests.support.machines import Machine
    from tests.support.team import Team


def target(machine: Machine) -> Target:
    return Target("staging1", tuple(machine.ssh_options))


def test_passwords_do_not_log_in_whatever_other_files_say(machine: Machine) -> None:
    """The hardened sshd_config had no Include, and cloud-init's file allows passwords."""
    assert offered_methods(target(machine), "vagrant") == ["publickey"]
    assert "passwordauthentication no" in machine.run("sshd -T")


def test_the_port_of_others_stays_and_systemd_listens(machine: Machine) -> None:
    assert machine.run("systemctl is-active ssh.socket ssh.service").split() == ["active", "active"]
    assert ":2222" in machine.run("ss -Hltn")


def test_sudo_is_the_one_in_rust(machine: Machine) -> None:
    assert machine.run("sudo --version 2>&1").startswith("sudo-rs")
    assert machine.run("grep -h ^Defaults /etc/sudoers.d/samestack").split() == ["Defaults", "use_pty"]


def test_only_our_firewall_is_left_and_visitors_come_in(machine: Machine) -> None:
    assert "inactive" in machine.run("ufw status")
    assert machine.browser().get("/").status == 200


def unreadable(machine: Machine) -> list[str]:
    """Return what of the releases and of what builds them others may not read.

    What root's Python keeps for itself of the recorder is left out: whoever may not read it reads the source.
    """
    app = machine.app
    folders = f"/srv/{app}/releases /srv/{app}/venvs /srv/{app}/static-history /opt/samestack /usr/local/lib/samestack"
    others = "! -type l ! -perm -o=r ! -name '.*' ! -path '/usr/local/*/__pycache__*'"
    found = machine.run(f"find {folders} {others} 2>/dev/null || true")
    return found.split()


def test_releases_and_restore_points_whatever_umask_logins_have(machine: Machine, team: Team) -> None:
    """077 comes back for every login before two more releases are built, and one of them is taken back."""
    machine.run(r"sed -i 's/^UMASK.*/UMASK 077/' /etc/login.defs")
    command = ["ssh", *machine.ssh_options, "vagrant@staging1", "sudo sh -c umask"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.strip().endswith("77"), "the test plays a login whose umask root inherits"
    first = team.live("staging")
    team.clone.decide(app_build_env={"SECOND": "1"})
    team.samestack("deploy", "staging", release_restore_points="always")
    second = team.live("staging")
    assert second != first
    team.clone.decide(app_build_env={"THIRD": "1"})
    team.samestack("deploy", "staging")
    assert unreadable(machine) == []
    page = machine.browser().get("/")
    (static, *_) = re.findall(r'"(/static/[^"]+\.css)"', page.text)
    assert machine.browser().get(static).status == 200
    team.samestack("rollback", "staging", to=first)
    assert team.live("staging") == first
    assert machine.browser().get(static).status == 200
    # The copy of the database is there, and whole.
    assert machine.run(f"ls /var/lib/samestack/restore-points/{machine.app}/*.dump").strip()
    team.samestack("provision", "staging")
