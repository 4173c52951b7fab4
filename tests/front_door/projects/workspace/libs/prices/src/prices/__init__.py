"""What things cost."""

APPLE = 3
