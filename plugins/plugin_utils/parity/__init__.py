"""Manifests of environments, compared line by line."""
