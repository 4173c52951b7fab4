"""Section `backup` in comparisons: environments may have other places for their backups, or none."""

from __future__ import annotations

ORDER, SHORT = 115, "bak"
DECIDED = "backup_repositories topology"
RULES = f"""
backup/* | {DECIDED} backup_keep processors | backups go elsewhere, or nowhere
packages/{{pgbackrest,restic,rclone,libssh2-*}} | {DECIDED} | backups are made, or kept
postgresql/setting:archive_* | {DECIDED} | WAL is archived
{{units,timers}}/*samestack-backup* | {DECIDED} | backups are made, or kept
sockets/tcp *:{{8432,8433}} | {DECIDED} | fetched from, or sent to
files//etc/pgbackrest* | {DECIDED} | backups are made, or kept
files//etc/samestack/backup* | {DECIDED} machine_address | backups are made, or kept
files//usr/local/lib/samestack/{{backup*,pgbackrest*}} | {DECIDED} | backups are made, or kept
files//etc/postgresql-common/* | {DECIDED} | a backup host has no cluster
files//etc/systemd/system/{{*samestack-backup*,postgresql*}} | {DECIDED} | backups are made, or kept
accounts/*samestack-backup* | {DECIDED} | a backup host keeps them
"""
FILES = {
    "/etc/samestack/backup*": f"{DECIDED} machine_address backup_keep backup_disk_limit",
    "/etc/pgbackrest/*": f"{DECIDED} backup_keep",
    "/etc/systemd/system/*samestack-backup*": DECIDED,
    "/etc/systemd/system/postgresql@*": DECIDED,
    "/usr/local/lib/samestack/pgbackrest*": f"{DECIDED} backup_disk_limit",
    "/etc/postgresql-common/*": DECIDED,
}
