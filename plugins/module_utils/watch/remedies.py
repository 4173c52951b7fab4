"""The commands that mend what is found. Each is typed by a test (tests/unit/test_watch_remedies.py). Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: On the computer of whoever looks; <where> is the environment, as a verb takes it
VERBS = {
    "provision": "./samestack provision <where>",
    "deploy": "./samestack deploy <where>",
    "logs": "./samestack logs <where>",
    "backups": "./samestack backups <where>",
    "upgrade": "./samestack upgrade <where>",
    "drift": "./samestack drift <where>",
    "unfreeze": "./samestack unfreeze <where>",
    "open": "./samestack maintenance <where> --off",
    "rollback": "./samestack rollback <where>",
}
#: On the host itself, which {host} is
COMMANDS = {
    "restart": "sudo systemctl restart {unit}",
    "start": "sudo systemctl enable --now {unit}",
    "largest": "sudo sh -c 'du -xh --max-depth=3 {mount} | sort -h | tail -n 15'",
    "most files": "sudo sh -c 'du -x --inodes --max-depth=3 {mount} | sort -n | tail -n 15'",
    "hungry": "ps -eo rss,pid,unit,args --sort=-rss | head -n 15",
    "busy": "ps -eo pcpu,pid,unit,args --sort=-pcpu | head -n 15",
    "terminate": "sudo -u postgres psql -p {port} -c 'SELECT pg_terminate_backend({pid})'",
    "sessions": (
        "sudo -u postgres psql -p {port} -c "
        "'SELECT pid, usename, state, now() - state_change AS since, left(query, 60) FROM pg_stat_activity'"
    ),
    "vacuum": "sudo -u postgres vacuumdb -p {port} -U {owner} --analyze {database}",
    "refresh": (
        "sudo -u postgres reindexdb -p {port} -U {owner} {database} && sudo -u postgres psql -p {port} -U {owner} "
        "-d {database} -c 'ALTER DATABASE \"{database}\" REFRESH COLLATION VERSION'"
    ),
    "slots": "sudo -u postgres psql -p {port} -c 'SELECT * FROM pg_replication_slots'",
    "reboot": "sudo systemctl reboot",
}


def mended(name: str, where: str, host: str, words: Mapping[str, str]) -> str:
    """Return the command of a remedy as it is typed, "" for none."""
    if not name:
        return ""
    if name in VERBS:
        return VERBS[name].replace("<where>", where)
    quoted = {key: shlex.quote(value) for key, value in words.items()}
    return f"on {host}: {COMMANDS[name].format(**quoted)}"
