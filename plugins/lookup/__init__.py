"""Lookups on the control node."""
