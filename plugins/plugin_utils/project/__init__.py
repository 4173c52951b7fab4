"""The application's source: fetched, and found out about."""
