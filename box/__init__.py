"""The local machines, and the tools on this computer."""
