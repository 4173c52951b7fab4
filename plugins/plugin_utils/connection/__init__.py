"""The way to a host, and who holds it."""
