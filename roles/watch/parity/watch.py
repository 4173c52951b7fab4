"""Section `watch` in comparisons: what is too much on a machine, and what is looked at."""

from __future__ import annotations

ORDER, SHORT = 118, "wat"
LIMITS = (
    "watch_disk_percent watch_disk_days watch_memory_percent watch_load watch_connections_percent watch_transaction "
    "watch_lock watch_restarts watch_answer watch_patience"
)
RULES = f"""
watch/limit:* | {LIMITS}             | people are told of something else
watch/told    | topology             | a stand-in tells nobody
watch/*       | topology app_domains | other services are here
"""
FILES = {"/etc/samestack/watch.json": f"{LIMITS} app_domains topology web_tls app_live_path"}
