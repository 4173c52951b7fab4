"""What an environment may decide for itself of the watch."""

from __future__ import annotations

from .steps import ALLOWED, Items

SINCE = "0.2.0"
WHAT = "an environment may set watch_error_percent, watch_ping_url and watch_exporters"

STEPS = (Items(ALLOWED, ("watch_error_percent", "watch_ping_url", "watch_exporters")),)
