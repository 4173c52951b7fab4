"""What every room on a host may use."""
