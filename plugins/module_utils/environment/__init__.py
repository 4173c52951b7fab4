"""The state of an environment: frozen, accepted, in maintenance."""
