"""Fixtures of the template tests, and the options that widen them."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.templates.rendering import RELEASES, VARIANTS, Renderer, write_tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.expected import Expected

HERE = Path(__file__).resolve().parent
#: Rendered for every release; the others take turns, each on one release.
EVERYWHERE = ("release",)


def combinations(everything: bool) -> list[tuple[str, str]]:
    """Return the pairs of release and variant that are tested."""
    if everything:
        return list(itertools.product(RELEASES, VARIANTS))
    turns = zip((name for name in VARIANTS if name not in EVERYWHERE), itertools.cycle(RELEASES), strict=False)
    return [*itertools.product(RELEASES, EVERYWHERE), *((release, variant) for variant, release in turns)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "combination" in metafunc.fixturenames:
        pairs = combinations(metafunc.config.getoption("--all-variants"))
        metafunc.parametrize("combination", pairs, ids=[f"{release}, {variant}" for release, variant in pairs])


@pytest.fixture(scope="session")
def render(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], list[Expected]]:
    """Return a function that renders a variant for a release, each pair once."""
    renderer = Renderer(tmp_path_factory.mktemp("rendering"))
    known: dict[tuple[str, str], list[Expected]] = {}

    def render_once(release: str, variant: str) -> list[Expected]:
        if (release, variant) not in known:
            known[release, variant] = renderer.hosts(release, variant)
        return known[release, variant]

    return render_once


@pytest.fixture
def hosts(render: Callable[[str, str], list[Expected]], combination: tuple[str, str]) -> list[Expected]:
    """Return the rendered hosts of one pair of release and variant."""
    return render(*combination)


@pytest.fixture(scope="session")
def verdicts(
    render: Callable[[str, str], list[Expected]],
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
) -> list[dict[str, Any]]:
    """Return what the real programs say of all rendered files."""
    folder = tmp_path_factory.mktemp("trees")
    for release, variant in combinations(pytestconfig.getoption("--all-variants")):
        for rendered in render(release, variant):
            name = f"{release}, {variant}, {rendered.host}".replace(", ", "--").replace(" ", "-")
            write_tree(rendered, folder / name)
    machine = pytestconfig.getoption("--accept-on")
    return _ask_machine(folder, shlex.split(machine)) if machine else _ask(folder)


def _ask(folder: Path) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(HERE / "accept.py"), str(folder)], stdout=subprocess.PIPE, text=True, check=True
    )
    answer: list[dict[str, Any]] = json.loads(done.stdout)
    return answer


def _ask_machine(folder: Path, ssh: list[str]) -> list[dict[str, Any]]:
    """Send the trees over one ssh connection and bring the answer back."""
    (folder / "accept.py").write_bytes((HERE / "accept.py").read_bytes())
    remote = (
        "set -e; d=$(mktemp -d); trap 'rm -rf $d' EXIT; tar -xzC $d; chmod 755 $d; "
        "find $d -name '*.j2' -prune -o -type d -exec chmod a+rx {} +; python3 $d/accept.py $d"
    )
    archive = subprocess.run(
        ["tar", "-cz", "--owner=0", "--group=0", "-C", str(folder), "."], stdout=subprocess.PIPE, check=True
    )
    done = subprocess.run(
        ["ssh", "-o", "BatchMode=yes", *ssh, "sudo", "sh", "-c", shlex.quote(remote)],
        input=archive.stdout, stdout=subprocess.PIPE, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    answer: list[dict[str, Any]] = json.loads(done.stdout)
    return answer
