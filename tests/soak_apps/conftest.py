"""The machine and the small projects of tests/apps."""

from tests.apps.conftest import app, environment

__all__ = ["app", "environment"]
