"""What a project says of the copies of its data, on the control node."""
