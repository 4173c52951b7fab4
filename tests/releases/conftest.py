"""Staging and production of this scenario."""

from __future__ import annotations

from tests.support.machines import environment

__all__ = ["environment"]
