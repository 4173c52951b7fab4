"""Whether a host is well: what it finds, what that means, and who is told."""
