"""Section `settings` in comparisons: Django's settings."""

from __future__ import annotations

ORDER, SHORT = 70, "set"
RULES = """
settings/EMAIL* | release app_live_path app_debug app_catch_mail | whether mail leaves it
settings/*      | release app_live_path app_debug                | they belong to the release
"""
