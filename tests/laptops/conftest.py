"""A computer of the release in SAMESTACK_LAPTOP."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.support.laptop import Laptop, fresh

if TYPE_CHECKING:
    from collections.abc import Iterator

RELEASE = os.environ.get("SAMESTACK_LAPTOP", "trixie")


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """The computer with a clone of what is being tested, and python3 and git."""
    with fresh(f"laptop-{RELEASE}", RELEASE, tmp_path_factory.mktemp("clone")) as found:
        yield found
