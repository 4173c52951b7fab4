"""Releases, seen from the control node."""
