"""What a host does about backups: it makes them, hands them over, keeps them, looks at them, and gives them back."""
