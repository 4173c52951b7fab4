"""OS packages."""
