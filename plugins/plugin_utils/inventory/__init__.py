"""Decisions: where they come from, and the laws that they keep."""
