"""Section `watch` in comparisons: what is too much on a machine, and what is looked at."""

from __future__ import annotations

ORDER, SHORT = 118, "wat"
LIMITS = (
    "watch_disk_percent watch_disk_days watch_memory_percent watch_load watch_connections_percent watch_transaction "
    "watch_lock watch_restarts watch_backlog watch_error_percent watch_answer watch_patience"
)
PEERS = "topology machine_address"
RULES = f"""
watch/limit:* | {LIMITS}                             | people are told of something else
watch/told    | app_live_path                        | live code is one person's machine
watch/*       | topology web_tls backup_repositories | other services are here
sockets/tcp *:8434                                 | {PEERS} | other machines ask
units/*samestack-watch-answer*                     | {PEERS} | other machines ask
files//etc/systemd/system/*samestack-watch-answer* | {PEERS} | other machines ask
files//etc/samestack/watch-*                       | {PEERS} | other machines ask
"""
FILES = {
    "/etc/samestack/watch.json": f"{LIMITS} app_domains web_tls app_live_path backup_repositories {PEERS}",
    "/etc/samestack/watch-*": PEERS,
    "/etc/systemd/system/*samestack-watch-answer*": PEERS,
}
