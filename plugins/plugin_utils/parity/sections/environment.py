"""Section `environment` in comparisons: the application's variables."""

from __future__ import annotations

ORDER, SHORT = 90, "var"
RULES = """
environment/(not taken up yet) | never | what processes do not have yet
"""
REPLACED = ("(not taken up yet)",)
