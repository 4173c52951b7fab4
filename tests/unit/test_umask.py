"""What root makes is readable for those it is made for, whatever umask the login has."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    path for path in sorted((ROOT / "plugins/modules").glob("*.py")) if "AnsibleModule(" in path.read_text("utf-8")
]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_module_begins_with_root_s_own_umask(path: Path) -> None:
    """A login's umask (CIS: 027, and hardened hosts have 077) would make what services read root's alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    main = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main")
    first = next(
        node for node in main.body if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant)
    )
    assert ast.unparse(first) == "usual_umask()"


def test_commands_of_roles_say_their_umask() -> None:
    """Ansible's own modules start in the login's umask: what they write by a shell has to say its own."""
    for path in sorted((ROOT / "roles").glob("*/tasks/**/*.yml")):
        for task in tasks_in(yaml.safe_load(path.read_text(encoding="utf-8")) or []):
            command = task.get("ansible.builtin.command") or task.get("ansible.builtin.shell")
            if command:
                text = command.get("cmd", "") if isinstance(command, dict) else str(command)
                assert "umask 0" in text or text.startswith("dpkg "), f"{path}: {text}"


def tasks_in(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the tasks of a file, those of its blocks too."""
    for task in tasks:
        yield task
        for part in ("block", "rescue", "always"):
            yield from tasks_in(task.get(part) or [])
