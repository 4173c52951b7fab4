"""The parts of `make test` and `make soak`: real machines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from . import checks
from .parts import Part, tool

if TYPE_CHECKING:
    from .parts import Report

#: Bytes of memory that a scenario may take
MEMORY = 5 << 30
#: What has the tests played that are marked with `soak`, too
SOAK = {"SAMESTACK_SOAK": "1"}
#: Computers that the first command is typed on, beside this one
LAPTOPS = ("bookworm", "trixie", "forky")
SOAKS = (
    "soak",
    "soak-releases",
    "soak-parity",
    "soak-parity-bookworm",
    "soak-apps",
    "soak-backups",
    "soak-watch",
    "soak-update",
    "monitor",
    "monitor-bookworm",
    "soak-repositories",
    "second-hand",
)
#: The longest first
SCENARIOS = (
    "releases",
    "attacks",
    "backups",
    "parity",
    "two-machines",
    "trixie",
    "apps",
    "stack-lock",
    "acme",
    "bookworm",
)


def scenario(name: str, *, soak: bool = False) -> Part:
    """Return the part that plays a Molecule scenario to its end; the limit is for one that hangs."""
    return Part(
        f"molecule {name}",
        [tool("molecule"), "test", "-s", name],
        environment=SOAK if soak else {},
        seconds=7200 if soak else 5400,
    )


def laptop(release: str) -> Part:
    """Return the part that types the first command on a fresh computer of a release."""
    environment = {"SAMESTACK_LAPTOP": release}
    return Part(f"laptop {release}", [*checks.PYTEST, "tests/laptops"], environment=environment, seconds=1800)


def hypervisor() -> Part:
    """Return the part that makes a machine with a kernel of its own, by libvirt; it is emulated, so it takes long."""
    return Part("libvirt", [*checks.PYTEST, "tests/hypervisors"], seconds=7200)


def taken_away(name: str) -> Part:
    """Return the part that takes away what a scenario may have left that was stopped in the middle."""
    return Part(f"{name} is taken away", [tool("molecule"), "destroy", "-s", name], seconds=120)


def computer() -> list[Part]:
    """Return the parts that put on a bare computer what the machines and the tests need, and build the boxes."""
    return [
        Part(
            "LXC, box of Debian 13",
            ["box/setup", "containers"],
            environment={"SAMESTACK_BOX_RELEASE": "trixie"},
            seconds=900,
        ),
        Part("box of Debian 12", ["box/build", "bookworm"], seconds=600),
        Part("a browser", ["box/setup", "browser"], seconds=600),
    ]


def run(report: Report) -> bool:
    """Run everything; returns whether it passed. Several parts run side by side, the longest begin."""
    # Some of what runs on this computer needs what a bare one has not got.
    if not report.run(computer()):
        return False
    passed = checks.run(report)
    parts = [
        scenario("releases"),
        Part("front door", [*checks.PYTEST, "tests/front_door"], seconds=3600),
        *(scenario(name) for name in SCENARIOS[1:]),
        checks.runs(),
        Part("first contact", [*checks.PYTEST, "tests/hosts"], seconds=600),
    ]
    return play(report, parts, SCENARIOS, lanes()) and passed


def lanes() -> int:
    """Return how many scenarios are played side by side: one more than there are processors, for each of them waits.

    A scenario has up to four machines, and takes up to this much memory at its height.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min((os.cpu_count() or 1) + 1, memory // MEMORY))


def play(report: Report, parts: list[Part], scenarios: tuple[str, ...], side_by_side: int = 1) -> bool:
    """Run parts; whatever happens, no machine of the scenarios is left."""
    passed = False
    try:
        passed = report.run(parts, side_by_side)
    finally:
        if not passed:
            report.run([taken_away(name) for name in scenarios])
    return passed


def soak(report: Report) -> bool:
    """Run the long repetitions; returns whether they passed."""
    if not report.run(computer()):
        return False
    names = (*SOAKS, *SCENARIOS)
    front_door = Part("front door", [*checks.PYTEST, "-s", "tests/front_door"], environment=SOAK, seconds=7200)
    return play(
        report, [*map(laptop, LAPTOPS), hypervisor(), front_door, *(scenario(name, soak=True) for name in names)], names
    )
