"""How long it takes to compare manifests that are saved: of three environments, and of many hosts."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING

from plugins.plugin_utils.inventory.environment import ENVIRONMENTS
from plugins.plugin_utils.parity.compare import compare
from plugins.plugin_utils.parity.store import Store
from tests.support.manifests import Sections, changed, declared, digest, envelope, manifest, sections

if TYPE_CHECKING:
    from pathlib import Path

    from plugins.plugin_utils.parity.envelope import Envelope

#: Packages, files and columns of a host: a provisioned machine has some 2,100 keys
SIZE = 650
MANY = 200
#: One host of so many has something that the others have not
ODD = 10


def saved(store: Store, hosts: list[tuple[str, str]]) -> list[Path]:
    """Save a manifest of each (environment, host) and return the files."""
    built: dict[str, Sections] = {name: sections(name, SIZE) for name in ENVIRONMENTS}
    files = []
    for number, (environment, host) in enumerate(hosts):
        odd = {"packages": {"cowsay": "3.03"}} if number % ODD == 0 else {}
        found = manifest(changed(built[environment], odd) if odd else copy.copy(built[environment]))
        names: dict[str, list[str]] = {one: [] for of, one in hosts if of == environment}
        one = envelope(
            environment, size=SIZE, host=host, manifest=found, digest=digest(found),
            declared=declared(environment, topology=names),
        )  # fmt: skip
        files.append(store.save(one))
    return files


def seconds(store: Store, environments: tuple[str, ...]) -> tuple[float, int]:
    """Read the last manifests of environments and compare them; returns the seconds, and how many differences."""
    began = time.perf_counter()
    found: list[Envelope] = [one for name in environments for one in store.at(name, rehearsal=False)]
    number = len(compare(found).differences)
    return time.perf_counter() - began, number


def measure(folder: Path) -> tuple[float, float]:
    """Return the seconds for three environments, and for 200 hosts of two."""
    three, many = Store(folder / "three"), Store(folder / "many")
    saved(three, [(name, f"{name}1") for name in ENVIRONMENTS])
    saved(many, [(ENVIRONMENTS[1 + number % 2], f"host{number}") for number in range(MANY)])
    return seconds(three, ENVIRONMENTS)[0], seconds(many, ENVIRONMENTS[1:])[0]
