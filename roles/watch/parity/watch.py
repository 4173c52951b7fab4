"""Section `watch` in comparisons: what is too much on a machine, and what is looked at."""

from __future__ import annotations

ORDER, SHORT = 118, "wat"
LIMITS = (
    "watch_disk_percent watch_disk_days watch_memory_percent watch_load watch_connections_percent watch_transaction "
    "watch_lock watch_restarts watch_answer watch_patience"
)
RULES = f"""
watch/limit:* | {LIMITS}                             | people are told of something else
watch/told    | app_live_path                        | live code is one person's machine
watch/*       | topology web_tls backup_repositories | other services are here
"""
FILES = {"/etc/samestack/watch.json": f"{LIMITS} app_domains topology web_tls app_live_path backup_repositories"}
