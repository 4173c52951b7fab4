"""What a monitor's alerts are to people."""
