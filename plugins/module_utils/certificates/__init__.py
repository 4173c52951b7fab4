"""Certificates of an ACME authority: what has to be asked for. certbot asks."""
