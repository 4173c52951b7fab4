"""The recorder, which runs on whatever Python a host has."""

from __future__ import annotations

import ast
import functools
import json
import re
import sys
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from tests.templates.reading import RECORDER, python

if TYPE_CHECKING:
    from tests.support.expected import Expected


@functools.cache
def imports(text: str) -> list[ast.AST]:
    return [node for node in ast.walk(python(text)) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_the_recorder_is_whole_and_needs_nothing_but_python(hosts: list[Expected]) -> None:
    """Every file of ours that one of its files imports is there, too."""
    for rendered in hosts:
        names = {path.removeprefix(RECORDER) for path in rendered.matching(RECORDER + r".*\.py")}
        assert {"__main__.py", "plugins/module_utils/manifest/main.py"} <= names
        for name in names:
            for node in imports(rendered.text(f"{RECORDER}{name}")):
                if isinstance(node, ast.ImportFrom) and node.level:
                    folder = PurePosixPath(name).parents[node.level - 1] / (node.module or "").replace(".", "/")
                    for alias in node.names:
                        ways = {f"{folder}.py", f"{folder}/__init__.py"} if node.module else set()
                        ways |= {f"{folder}/{alias.name}.py", f"{folder}/{alias.name}/__init__.py"}
                        assert ways & names, f"{name} imports {alias.name} of {folder}"
                elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("plugins."):
                    assert f"{str(node.module).replace('.', '/')}.py" in names, f"{name} imports {node.module}"
                elif isinstance(node, ast.Import | ast.ImportFrom):
                    named = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                    assert {str(one).split(".")[0] for one in named} <= {*sys.stdlib_module_names, "plugins"}, name


def test_the_recorder_knows_what_is_secret_and_nothing_of_it(hosts: list[Expected]) -> None:
    for rendered in hosts:
        config = json.loads(rendered.text("/etc/samestack/recorder.json"))
        assert set(config["secrets"]) == set(rendered.value("parity_secrets"))
        key = rendered.text("/etc/samestack/manifest.key").strip()
        assert re.fullmatch(r"[0-9a-f]{64}", key)
        assert key not in rendered.text("/etc/samestack/recorder.json")
        for domain in rendered.value("app_domains"):
            assert config["names"][domain] == "app_domains"


def test_apt_never_waits_for_a_recording(hosts: list[Expected]) -> None:
    for rendered in hosts:
        hook = rendered.text("/etc/apt/apt.conf.d/90samestack-manifest")
        assert "--no-block" in hook
        assert "|| true" in hook
