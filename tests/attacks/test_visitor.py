"""A visitor: who can send anything to the ports that are open."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.machines import Machine

OPEN = {22, 80, 443}
#: What listens on a provisioned machine, or would be worth listening on
PORTS = {22, 25, 53, 80, 443, 5432, 6379, 8000, 8080, 11211}


def answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True


def test_only_the_doors_are_open(victim: Machine) -> None:
    assert {port for port in PORTS if answers(victim.address, port)} == OPEN


@pytest.mark.parametrize(
    "header", ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded"]
)
def test_a_header_makes_nobody_else_of_a_visitor(victim: Machine, header: str) -> None:
    plain = victim.browser().get("/status.json").json()["application"]
    forged = victim.browser().get("/status.json", **{header: "evil.example"}).json()["application"]
    assert forged == plain
