"""Staging and production of this scenario."""

from __future__ import annotations

from support.machines import environment

__all__ = ["environment"]
