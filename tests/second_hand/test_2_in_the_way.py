"""What stands in the way is one sentence before anything is changed, and what it says to type mends it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.machines import Machine
    from tests.support.team import Team


def remedy(said: str) -> str:
    """Return the command that a message says to type on the machine."""
    (command,) = re.findall(r"`(sudo [^`]+)`", said)
    return str(command)


UNIT = "/etc/systemd/system/other-web.service"
OTHER_WEB = f"""systemctl stop nginx
printf '[Service]\\nExecStart=/usr/bin/python3 -m http.server -d /usr/share/doc 80\\n' >{UNIT}
printf '[Install]\\nWantedBy=multi-user.target\\n' >>{UNIT}
systemctl daemon-reload; systemctl enable --quiet --now other-web.service; sleep 1
"""
OTHER_FIREWALL = """nft add table inet others
nft 'add chain inet others input { type filter hook input priority 0; policy drop; }'
nft add rule inet others input ct state established,related accept
nft add rule inet others input tcp dport '{ 22, 2222 }' accept
"""


@pytest.mark.parametrize(
    ("before", "says"),
    [
        (OTHER_WEB, "port 80, which nginx needs, is taken by python3 (other-web.service)"),
        (OTHER_FIREWALL, "(nftables' table inet others, chain input) lets nobody come to port 80 and 443"),
    ],
    ids=["web server", "firewall"],
)
def test_it_is_said_and_mended(machine: Machine, team: Team, before: str, says: str) -> None:
    digest = "find /etc -xdev -type f -newer /run/before ! -name '*.json' | grep -v -e /etc/samestack -e resolv || true"
    machine.run(f"{before}\ntouch /run/before")
    try:
        said = team.refuses("provision", "staging")
        assert says in said
        assert "Nothing was changed" in said
        assert machine.run(digest) == ""
        machine.run(remedy(said))
        team.samestack("provision", "staging")
        assert machine.browser().get("/").status == 200
    finally:
        machine.run(f"systemctl disable --now other-web 2>/dev/null || true; rm -f {UNIT}; systemctl daemon-reload")
        machine.run("nft delete table inet others 2>/dev/null || true")


def test_another_environment_at_this_address_is_refused(machine: Machine, team: Team) -> None:
    """Under another name of the same machine: the inventories do not show it, the machine does."""
    file: Path = team.clone.folder / ".samestack" / "ssh_config"
    before = file.read_text(encoding="utf-8")
    live, environment = team.live("staging"), machine.run(f"sha256sum /etc/{machine.app}/env")
    (mine,) = re.findall(r"^Host staging1$.*?(?=^Host )", before, re.MULTILINE | re.DOTALL)
    alias = mine.replace("Host staging1", "Host production1")
    file.write_text(alias + before, encoding="utf-8")
    inventory = team.clone.folder / "inventories" / "rehearsal.yml"
    text = inventory.read_text(encoding="utf-8")
    inventory.write_text(with_production(text), encoding="utf-8")
    try:
        for verb in ("provision", "deploy"):
            said = team.refuses(verb, "production")
            assert f"this machine is staging of {machine.app}. This run would replace its site" in said
            assert "`./samestack provision production --rehearsal --take-over`" in said
        assert team.live("staging") == live
        assert machine.run(f"sha256sum /etc/{machine.app}/env") == environment
        # What it says to type is what somebody types who means it, and the way back is the same.
        team.samestack("provision", "production", take_over=True)
        assert belongs(machine) == "production"
        assert f"this machine is production of {machine.app}" in team.refuses("deploy", "staging")
        team.samestack("provision", "staging", take_over=True)
        assert belongs(machine) == "staging"
        assert team.live("staging") == live
        assert machine.browser().get("/").status == 200
    finally:
        file.write_text(before, encoding="utf-8")
        inventory.write_text(text, encoding="utf-8")


def belongs(machine: Machine) -> str:
    """Return the environment that a machine says it is of."""
    return str(json.loads(machine.run("cat /etc/samestack/machine.json"))["environment"])


def with_production(text: str) -> str:
    """Return a rehearsal inventory that has production1 wherever it has staging1."""
    groups = yaml.safe_load(text)
    for name, group in groups.items():
        if name != "staging" and "staging1" in (group.get("hosts") or {}):
            group["hosts"]["production1"] = {}
    groups["production"] = {"hosts": {"production1": {}}}
    return str(yaml.safe_dump(groups, sort_keys=False))
