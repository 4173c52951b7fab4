"""Machines for these tests; see support/machines.py for the options."""

from __future__ import annotations

from tests.support.machines import environment, site

__all__ = ["environment", "site"]
