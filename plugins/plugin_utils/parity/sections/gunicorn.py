"""Section `gunicorn` in comparisons: Gunicorn's settings."""

from __future__ import annotations

ORDER, SHORT = 100, "gun"
RULES = """
gunicorn/not read yet | never                           | files that the server has not read yet
gunicorn/workers      | web_processes processors        | one more than processors
gunicorn/*            | app_live_path app_debug release | live code is read again
"""
REPLACED = ("not read yet",)
