"""A release as files and archives."""
