"""What a run works out once a host may not differ between its plays."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[2]
FILES = [
    *PROJECT.glob("defaults/*.yml"),
    *PROJECT.glob("wiring/*.yml"),
    *PROJECT.glob("inventories/group_vars/all/*.yml"),
]
DECISIONS = {name: value for file in FILES for name, value in yaml.safe_load(file.read_text()).items()}
CHANGING = re.compile(r"ansible_(play|facts|check)\w*|lookup|query|vault_\w+|hostvars")


def leads_to(name: str) -> set[str]:
    """Return the decisions that a variable is made of, itself among them."""
    found, new = set(), {name}
    while new:
        found |= new
        words = {word for one in new for word in re.findall(r"\w+", str(DECISIONS[one]))}
        new = (words & set(DECISIONS)) - found
    return found


def test_nothing_that_is_settled_depends_on_the_play_or_on_facts() -> None:
    settled = DECISIONS["preflight_settled"]
    assert {"environment_name", "app_hosts"} <= set(settled)
    for name in settled:
        assert not [
            CHANGING.findall(str(DECISIONS[one])) for one in leads_to(name) if CHANGING.search(str(DECISIONS[one]))
        ]


def test_lists_keep_their_order() -> None:
    """Ansible's filters for sets return one in any order, which is another in the next run."""
    unordered = re.compile(r"\|\s*(ansible\.builtin\.)?(union|intersect|(symmetric_)?difference)\b")
    folders = [PROJECT / name for name in ("roles", "wiring", "playbooks", "defaults", "inventories")]
    files = [file for folder in folders for pattern in ("*.yml", "*.j2") for file in folder.rglob(pattern)]
    assert len(files) > 100
    assert [str(file) for file in files if unordered.search(file.read_text(encoding="utf-8"))] == []
