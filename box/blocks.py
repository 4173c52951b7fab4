"""Which addresses are whose: each project on this computer has a block of its own, and keeps it.

A block is a number. The machines of block 3 are 13, 23, 33 and 43 on the network; from block 10 on they are 200 and
more. The numbers between are those of tests (box/host).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from box.common import LXC_PATH, MACHINES, PROJECT_ID, SetupError, is_there, run
from box.connections import HOSTS, MARKED
from box.network import answers
from box.places import COMPUTER, PROJECT
from plugins.plugin_utils.computer import alone_in
from plugins.plugin_utils.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

REGISTER = COMPUTER / "projects.json"
PER_TEN = 10
BLOCKS = range(2 * PER_TEN)
#: Where the blocks from ten on begin
SECOND_TEN = 200


def numbers(block: int) -> dict[str, int]:
    """Return the last number of each machine's address in a block."""
    first, place = (PER_TEN, block) if block < PER_TEN else (SECOND_TEN, block - PER_TEN)
    return {name: first + PER_TEN * row + place for row, name in enumerate(MACHINES)}


def addresses(network: str, block: int) -> dict[str, str]:
    """Return the address of each machine of a block, on a network such as `10.0.3`."""
    return {name: f"{network}.{number}" for name, number in numbers(block).items()}


def written() -> dict[str, int]:
    """Return the block of each project by its folder, also of those that are gone since."""
    try:
        known: dict[str, int] = json.loads(REGISTER.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known


def registered() -> dict[str, int]:
    """Return the block of each project that is still on this computer, by its folder."""
    return {folder: block for folder, block in written().items() if is_there(folder)}


def claim(network: str, kept: int | None = None) -> int:
    """Return this project's block, taken for it where it has none; `kept` is the one that its machines have already.

    Raises `SetupError` when all are taken.
    """
    with alone_in(COMPUTER):
        known = registered()
        block = known.get(str(PROJECT), kept)
        if block is None:
            taken = set(known.values())
            others = set(strangers())
            free = (one for one in BLOCKS if one not in taken and is_free(network, one, others))
            block = next(free, None)
        if block is None:
            raise SetupError(
                f"All {len(BLOCKS)} blocks of addresses on {network}.0/24 are taken. `./samestack machines` shows by "
                f"what; `./samestack destroy` in a project that you no longer need, and deleting its folder, frees one."
            )
        write_whole(REGISTER, json.dumps(known | {str(PROJECT): block}, indent=2) + "\n")
    return block


def is_free(network: str, block: int, others: set[str]) -> bool:
    """Return whether no machine has an address of a block."""
    wanted = addresses(network, block).values()
    return not others.intersection(wanted) and not any(map(answers, wanted))


def strangers() -> Iterator[str]:
    """Yield the addresses of machines that are not this project's, also of those that do not run."""
    own = f"samestack-{PROJECT_ID}-"
    text = run(["sh", "-c", f"grep -H ipv4.address {LXC_PATH}/*/config 2>/dev/null || true"], root=True)
    for line in text.splitlines():
        file, _, setting = line.partition(":")
        found = re.search(r"=\s*([0-9.]+)", setting)
        if found and not Path(file).parent.name.startswith(own):
            yield found[1]
    for line in HOSTS.read_text(encoding="utf-8").splitlines():
        marked = MARKED.fullmatch(line)
        if marked and marked["folder"] != str(PROJECT) and is_there(marked["folder"]):
            yield line.split()[0]
