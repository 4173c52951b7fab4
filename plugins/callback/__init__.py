"""What a run looks like on the control node."""
