"""Machines for these tests; see support/machines.py for the options."""

from __future__ import annotations

from tests.support.machines import app_machine, choose_machines, database, environment, machine, redis, site

__all__ = ["app_machine", "database", "environment", "machine", "redis", "site"]

pytest_generate_tests = choose_machines
