"""What a host says of its releases."""
