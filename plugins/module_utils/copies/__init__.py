"""Copies of an application's data: those that may leave its machine, and those that people bring."""
