"""Machines for these tests; see support/machines.py for the options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.machines import environment, machine, machine_names, site

if TYPE_CHECKING:
    import pytest

__all__ = ["environment", "machine", "site"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "machine" in metafunc.fixturenames:
        metafunc.parametrize("machine", machine_names(metafunc.config), indirect=True)
