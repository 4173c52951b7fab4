"""After the example comes one's own application: provision takes the former one away, and its data when asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.machines import Machine
    from tests.support.team import Team

OWN = "mysite"
DATABASES = "cd / && sudo -u postgres psql -XqAtc 'SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles'"


def sections(machine: Machine) -> dict[str, dict[str, object]]:
    """Return what the machine's manifest has now."""
    machine.run("/usr/local/lib/samestack/record --cause asked")
    found: dict[str, dict[str, object]] = json.loads(machine.run("cat /var/lib/samestack/manifest.json"))["sections"]
    return found


def test_the_former_application_goes(machine: Machine, team: Team) -> None:
    old = machine.app
    team.clone.decide(app_name=OWN)
    said = team.refuses("deploy", "staging")
    assert f"this machine still runs {old}, and app_name is {OWN} now" in said
    said = team.samestack("provision", "staging")
    assert f"{old}, which this machine had before, is taken away; its data is kept (--forget {old} takes" in said
    assert machine.run(f"systemctl list-units --all --plain --no-legend '{old}*'") == ""
    assert machine.run(f"ls /etc/systemd/system | grep ^{old} || true") == ""
    assert machine.run(f"ls /srv/{old}").split() == ["shared"]
    assert old in machine.run(DATABASES)
    team.samestack("deploy", "staging")
    assert machine.run(f"systemctl is-active {OWN}-worker-queue@*").strip() == "active"
    # Nothing of the former one differs from a machine that never had it.
    kept = [f"{name}/{key}" for name, section in sections(machine).items() for key in section if old in key]
    assert kept == []
    assert "Nothing changed" in team.samestack("provision", "staging")
    said = team.samestack("provision", "staging", forget=old)
    assert f"{old}, which this machine had before, is taken away" in said
    assert machine.run(f"ls -d /srv/{old} 2>/dev/null || true; getent passwd {old} || true") == ""
    assert old not in machine.run(DATABASES)
    assert f"This machine has not had {old} before" in team.refuses("provision", "staging", forget=old)
