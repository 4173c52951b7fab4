"""Section `redis` in comparisons: the server's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plugins.plugin_utils.parity.cases import Case

ORDER, SHORT = 130, "red"
RULES = """
redis/not read yet                        | never                          | files that the server has not read yet
files//etc/redis/redis.conf*              | topology machine_address       | other machines use Redis
settings/{CACHES,*REDIS,*BROKER}*         | release app_live_path topology | where Redis is
redis/users                               | topology machine_address watch_exporters | who may ask it for what
redis/{bind,port,tls-*,requirepass}       | topology machine_address       | other machines use Redis
files//etc/samestack/redis-informed       | topology watch_exporters       | what counts may ask it
sockets/tcp *:6379                        | topology machine_address       | other machines use Redis
"""
#: The decisions behind its variable of the application, and behind its files
ENVIRONMENT = dict.fromkeys(("REDIS_URL", "CACHE_URL", "CELERY_BROKER_URL", "RQ_REDIS_URL"), "topology")
FILES = {"/etc/redis/*": "topology machine_address watch_exporters"}


def remedy(case: Case) -> str:
    """Redis' settings in force."""
    return case.by_hand("sudo systemctl restart redis-server.service")
