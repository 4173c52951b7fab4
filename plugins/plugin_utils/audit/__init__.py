"""What an audit measures, and how it is judged."""
