"""Filters: pure functions of values."""
