"""Where code runs is where it lies: the three floors of plugins/, and which imports may cross them."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from docs import imports
from docs.imports import FILES, imported

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
ROLES = ROOT / "roles"
#: What the control node and the hosts both use; it must not grow without a reason.
SHARED = {
    "module_utils/backup/judging",
    "module_utils/common/paths",
    "module_utils/common/secrets",
    "module_utils/common/text",
    "module_utils/copies/statements",
    "module_utils/manifest/reading/key",
    "module_utils/packages/compare",
    "module_utils/release/causes",
    "module_utils/release/files/contents",
    "module_utils/release/interpreter",
    "module_utils/release/place",
    "module_utils/release/testing",
    "module_utils/standalone/audit",
    "module_utils/standalone/certificates",
    "module_utils/standalone/hold_lock",
    "module_utils/standalone/look",
    "module_utils/standalone/obstacles",
    "module_utils/watch/spans",
}
#: Runs on the control node
CONTROL = ("plugin_utils", "action", "filter", "lookup", "callback")


def below(folder: str) -> list[str]:
    return sorted(name for name in FILES if name.startswith(f"{folder}/"))


def test_imports_of_ours_are_found() -> None:
    assert "module_utils/release/place" in set(imported("module_utils/release/serving/switch"))
    assert "plugin_utils/project/detect" in set(imported("action/release_source"))


@pytest.mark.parametrize("name", below("module_utils"))
def test_what_travels_needs_only_python_and_itself(name: str) -> None:
    for found in imported(name):
        assert (
            found.startswith("module_utils") or found in sys.stdlib_module_names or found in ("ansible", "_typeshed")
        ), found


@pytest.mark.parametrize("name", below("modules"))
def test_a_module_knows_nothing_of_the_control_node(name: str) -> None:
    assert not [found for found in imported(name) if found.startswith(CONTROL)]


@pytest.mark.parametrize("name", below("module_utils/inside_app"))
def test_the_applications_python_gets_nothing_but_its_programs(name: str) -> None:
    for found in imported(name):
        assert found.startswith("module_utils/inside_app") or found in sys.stdlib_module_names, found


@pytest.mark.parametrize("name", below("module_utils/standalone"))
def test_what_is_sent_as_text_stands_alone(name: str) -> None:
    assert set(imported(name)) <= set(sys.stdlib_module_names)


def test_the_floors_share_few_files() -> None:
    used = {found for name in FILES if name.startswith(CONTROL) for found in imported(name)}
    assert {found for found in used if found.startswith("module_utils")} == SHARED


def reached(name: str) -> set[str]:
    """Return what travels with a module: like Ansible's packer, with what is imported for types alone."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        files = {file for file in imported(waiting.pop()) if file in FILES}
        waiting += files - found
        found |= files
    return found


@pytest.mark.parametrize("name", below("modules"))
def test_a_module_takes_along_only_what_it_uses(name: str) -> None:
    """The recorder is on the host already, and packers do not see the sections that it finds; two modules build."""
    found = reached(name)
    assert not [file for file in found if file.startswith("module_utils/manifest/")]
    assert name in ("modules/release_build", "modules/release_test") or "module_utils/release/builder" not in found


@pytest.mark.parametrize("path", sorted(ROLES.glob("*/manifest/*.py")), ids=lambda path: path.stem)
def test_a_roles_section_needs_only_python_and_the_recorder(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and not node.level:
            module = str(node.module)
            assert (
                module.startswith("plugins.module_utils.")
                or module.split(".", maxsplit=1)[0] in sys.stdlib_module_names
            ), module


@pytest.mark.parametrize(
    "path", sorted([*ROLES.glob("*/parity/*.py"), *PLUGINS.glob("plugin_utils/parity/sections/*.py")]), ids=str
)
def test_a_section_on_the_control_node_imports_nothing_of_ours_when_it_runs(path: Path) -> None:
    """It is loaded by its path: imports for types alone are read by nobody then."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            assert not node.level, path
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert {str(name).split(".")[0] for name in names} <= set(sys.stdlib_module_names), path


def test_no_arrow_leads_up_or_in_a_circle() -> None:
    arrows = imports.arrows()
    assert not {pair for pair in arrows if "_utils" in pair[0] and "_utils" not in pair[1]}
    rooms: dict[str, set[str]] = {}
    for one, other in arrows:
        rooms.setdefault(one, set()).add(other)
    TopologicalSorter(rooms).prepare()


def test_the_drawing_is_of_today() -> None:
    assert imports.PAGE.read_text(encoding="utf-8") == imports.page(), "write it anew: python -m docs.imports"


def test_nothing_of_ours_is_imported_by_a_path_of_its_own() -> None:
    """Ansible finds it as a collection, everything else as packages of the repository's root."""
    for name, path in FILES.items():
        assert "ansible_collections" not in path.read_text(encoding="utf-8") or name == "callback/module_payloads", name


def listed() -> list[Path]:
    """Return the Python files of the repository, those without a suffix too."""
    rooms = ("plugins", "roles", "box", "cli", "tests", "molecule", "docs", "bench")
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *rooms], cwd=ROOT, check=True,
                           capture_output=True, text=True).stdout.splitlines()  # fmt: skip
    found = [ROOT / name for name in names if (ROOT / name).is_file()]
    return [path for path in found if path.suffix == ".py" or path.read_bytes()[:22] == b"#!/usr/bin/env python3"]


def unargued(text: str) -> list[str]:
    """Return the lines that change how Python finds modules, and have no comment on them or right above."""
    found, argued = [], False
    for line in text.splitlines():
        if re.search(r"sys\.path|importlib|__path__", line):  # what is looked for
            if not argued and "#" not in line:
                found.append(line.strip())
        else:
            argued = line.lstrip().startswith("#")
    return found


def test_whatever_changes_how_modules_are_found_is_argued() -> None:
    # Examples of both
    assert unargued("import os\nsys.path.append('x')\n") == ["sys.path.append('x')"]
    assert not unargued("# Why\nimport importlib\nfrom importlib import util\n")
    found = {str(path.relative_to(ROOT)): unargued(path.read_text(encoding="utf-8")) for path in listed()}
    assert len(found) > 100, "the files are found at all"
    assert not {name: lines for name, lines in found.items() if lines}


def test_tools_find_every_file_from_the_root() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert "mypy_path" not in settings["mypy"]
    assert settings["pytest"]["ini_options"]["pythonpath"] == ["."]


@functools.cache
def modules(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.py")}


def test_neighbours_are_imported_by_their_whole_names() -> None:
    # What a role puts on hosts lies flat there, and a test's project is a root of its own.
    for path in [path for path in listed() if not {"roles", "projects"}.intersection(path.parts)]:
        neighbours = modules(path.parent) - set(sys.stdlib_module_names)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not neighbours & set(names), path
