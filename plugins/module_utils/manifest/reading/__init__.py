"""How sections read a host."""
