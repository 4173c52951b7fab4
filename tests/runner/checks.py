"""The parts of `make check`: linters, and tests that need no machine and start no Ansible."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .parts import REPO, Part, tool

if TYPE_CHECKING:
    from .parts import Report


PYTEST = (tool("pytest"), "-q")
TYPED = ("bench", "box", "cli", "docs", "molecule/shared", "plugins", "tests/corpus", "tests/runner", "tests/support")
#: Sections of the manifest that roles bring
SECTIONS = sorted(
    str(path.relative_to(REPO)) for kind in ("manifest", "parity") for path in REPO.glob(f"roles/*/{kind}")
)


def parts() -> list[Part]:
    """Return the parts, the longest first, so that two processors are busy to the end."""
    uv = str(REPO / ".samestack" / "uv" / "bin" / "uv")
    own = {"UV_PROJECT_ENVIRONMENT": str(REPO / ".samestack" / "example"), "UV_NATIVE_TLS": "true", "DEBUG": "true"}
    return [
        Part("unit tests", [*PYTEST, "tests/unit"]),
        Part("ansible-lint (production)", [tool("ansible-lint"), "--strict", "-q"]),
        Part("templates", [*PYTEST, "tests/templates"]),
        Part("inventory laws", [*PYTEST, "tests/inventory"]),
        Part(
            "example's own tests",
            [uv, "run", "--locked", "--quiet", "manage.py", "test", "--verbosity=0"],
            folder=REPO / "examples" / "noticeboard",
            environment=own,
        ),
        Part("mypy", [tool("mypy"), *TYPED, *SECTIONS]),
        Part("yamllint", [tool("yamllint"), "--strict", "."]),
        Part("ruff check", [tool("ruff"), "check"]),
        Part("ruff format", [tool("ruff"), "format", "--check"]),
    ]


def runs() -> Part:
    """Return the part that starts Ansible, Django and Mercurial on this computer, a hundred times."""
    return Part("runs on this computer", [*PYTEST, "tests/runs"])


def run(report: Report) -> bool:
    """Run all checks; returns whether they passed."""
    return report.run(parts(), side_by_side=(os.cpu_count() or 1) + 1)
