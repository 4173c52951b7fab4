"""What a task may say."""
