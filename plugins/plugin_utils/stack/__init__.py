"""The stack lock: versions of OS packages."""
