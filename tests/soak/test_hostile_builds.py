"""Builds of a package that attacks meanwhile and afterwards, again and again: what it gets is a matter of luck."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.attacks.hostile_backend import MARK, ROOTS_FILE, STAYS
from tests.attacks.test_build import hostile
from tests.support import versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.machines import Environment, Machine


@pytest.fixture(scope="module")
def project(environment: Environment) -> Iterator[Path]:
    """The example, which depends on such a package for as long as these tests last."""
    folder = environment.site.root / "examples/noticeboard"
    kept = {name: (folder / name).read_text(encoding="utf-8") for name in ("pyproject.toml", "uv.lock")}
    hostile(folder)
    yield folder
    subprocess.run(["rm", "-r", folder / "vendor"], check=True)
    for name, text in kept.items():
        (folder / name).write_text(text, encoding="utf-8")


@pytest.mark.usefixtures("turn")
def test_a_hostile_build_gets_nothing(environment: Environment, site: Machine, project: Path) -> None:
    site.run(f"rm -f {ROOTS_FILE}; umask 077; echo secret > {ROOTS_FILE}")
    versions.touch(project)
    play = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [str(play), "-i", str(environment.source), "playbooks/deploy.yml"], cwd=environment.site.root,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    # A name that is not the same twice may end a build; it never gets anybody anything.
    assert done.returncode == 0 or "while it was copied" in done.stdout, done.stdout[-3000:]
    assert site.run(f"stat -c %a {ROOTS_FILE}").strip() == "600"
    assert site.host.run(f"pgrep -f '^{STAYS}'").stdout == ""
    assert site.host.run(f"grep -rl {MARK} /var/cache/samestack /srv/{site.app}/releases/*/static").stdout == ""
    changed = site.run(f"find /srv/{site.app}/releases /srv/{site.app}/venvs ! -user root -o ! -type l -perm /022")
    assert changed == ""
