"""The schema goes along with the code, both ways."""
