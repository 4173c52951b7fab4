"""TRAVELS TO HOSTS: the standard library alone, and nothing of plugin_utils."""
