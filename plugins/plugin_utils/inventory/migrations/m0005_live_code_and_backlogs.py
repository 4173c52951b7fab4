"""What an environment may decide for itself of live code, and of what waits."""

from __future__ import annotations

from .steps import ALLOWED, Items

SINCE = "0.2.0"
WHAT = "an environment may set app_debugger and watch_backlog"

STEPS = (Items(ALLOWED, ("app_debugger", "watch_backlog")),)
