"""SENT AS TEXT: imports nothing of ours."""
