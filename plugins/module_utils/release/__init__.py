"""A release on a host."""
