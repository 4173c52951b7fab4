"""What people see of backups. Runs on the control node."""
