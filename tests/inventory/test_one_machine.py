"""Two hosts of the inventories that are one machine: told before either environment is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.inventory.project_copy import Project

STAGING, PRODUCTION = "ansible_host: staging.noticeboard.net", "ansible_host: www.noticeboard.net"
REFUSED = "is at the address of"


def shared(project: Project, *inventories: str) -> list[str]:
    """Return what a run with the inventories says of shared machines."""
    found = project.check(*inventories, several=len(inventories) > 1)
    return [text for text in found if REFUSED in text or "are one machine" in text]


@pytest.mark.parametrize("inventories", [("production",), ("staging",), ("staging", "production"), ("dev",)])
@pytest.mark.parametrize(
    ("staging", "production"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("WWW.noticeboard.net.", "www.noticeboard.net"),
        ("2001:db8:0::7", "2001:db8::7"),
        ("'[2001:db8::7]'", "2001:db8::7"),
    ],
)
def test_staging_and_production_at_one_address(
    project: Project, staging: str, production: str, inventories: tuple[str, ...]
) -> None:
    project.make_real()
    project.replace("staging.yml", STAGING, f"ansible_host: {staging}")
    project.replace("production.yml", PRODUCTION, f"ansible_host: {production}")
    (said,) = shared(project, *inventories)
    for name in ("staging", "production"):
        assert f"{name}1 of {name}" in said
        assert f"inventories/{name}.yml:6)" in said
    if len(inventories) == 1 and inventories != ("dev",):
        assert f"(in inventories/{inventories[0]}.yml:6)" in said
    assert said.endswith("Write the address of a machine of its own for each environment.")


def test_one_name_in_two_environments(project: Project) -> None:
    project.make_real()
    for name, address in (("staging", STAGING), ("production", PRODUCTION)):
        project.replace(f"{name}.yml", f"{name}1:\n      {address}", "www.noticeboard.net:")
        project.replace(f"{name}.yml", f"    {name}1:", "    www.noticeboard.net:")
    (said,) = shared(project, "staging")
    assert said.startswith("www.noticeboard.net (in inventories/staging.yml): www.noticeboard.net of staging is at")


@pytest.mark.parametrize(
    "apart",
    [
        {"staging": "\n      ansible_port: 2222"},
        {
            "staging": "\n      ansible_ssh_common_args: -J bastion-a",
            "production": "\n      ansible_ssh_common_args: -J b",
        },
        {"staging": "\n      ansible_connection: community.general.lxd"},
    ],
)
def test_one_address_of_different_machines(project: Project, apart: dict[str, str]) -> None:
    """Behind a translator of addresses ports tell machines apart, and behind jump hosts the jump does."""
    project.make_real()
    for name, address in (("staging", STAGING), ("production", PRODUCTION)):
        project.replace(f"{name}.yml", address, f"ansible_host: 10.0.0.5{apart.get(name, '')}")
    assert shared(project, "production") == []


def test_an_address_beside_the_inventory_counts(project: Project) -> None:
    project.make_real()
    project.add("host_vars/staging1.yml", "ansible_host: www.noticeboard.net")
    (said,) = shared(project, "production")
    assert "host_vars/staging1.yml:2" in said


def test_one_machine_under_two_names_of_an_environment(project: Project) -> None:
    project.make_real()
    project.replace("production.yml", f"      {PRODUCTION}", f"      {PRODUCTION}\n    db1:\n      {PRODUCTION}")
    (said,) = shared(project, "production")
    assert "production1 and db1 of production are one machine" in said
    assert "Name it once" in said


def test_what_is_delivered_has_none(project: Project) -> None:
    project.make_real()
    for inventories in (("dev",), ("rehearsal",), ("staging",), ("staging", "production")):
        assert shared(project, *inventories) == []
