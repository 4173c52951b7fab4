"""Which release visitors get."""
