"""Which files section `files` looks at, and what is to be known of some of them."""

from __future__ import annotations

import fnmatch
import re

#: Below these, what no package brought is named.
TOPS = (
    "/etc",
    "/usr/local",
    "/usr/bin",
    "/usr/sbin",
    "/usr/libexec",
    "/usr/lib/systemd",
    "/usr/lib/openssh",
    "/usr/lib/postgresql",
)
#: Where everybody may write
SCRATCH = tuple(f"{top}tmp" for top in ("/", "/var/"))
#: Where programs are looked at for rights that they hand on
PROGRAMS = ("/usr", "/opt", "/srv", "/home", "/root", "/var/www", *SCRATCH)
#: Named by another section (accounts, environment, certificates, units), or made from what is named
ELSEWHERE = (
    "/etc/passwd", "/etc/passwd-", "/etc/group", "/etc/group-", "/etc/shadow", "/etc/shadow-", "/etc/gshadow",
    "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-", "/etc/ssl/certs/*", "/etc/ld.so.cache", "/etc/mtab",
    "/etc/.pwd.lock", "/etc/.updated", "/etc/rc?.d/*", "/etc/{app}/env", "/etc/samestack/recorder.json",
    "/etc/samestack/hardening.json", "/etc/samestack/machine.json",
    "/etc/systemd/system/*.wants/*", "/etc/systemd/system/*.requires/*", "/usr/local/lib/python3*/*",
    "/usr/local/lib/samestack/recorder/*", "/etc/alternatives/*.gz",
)  # fmt: skip
#: This machine's own, and nobody else's; services have more
OWN = (
    "/etc/machine-id", "/etc/hostname", "/etc/ssh/*_host_*", "/etc/resolv.conf", "/etc/adjtime", "/etc/network/*",
    "/etc/netplan/*", "/etc/systemd/network/*", "/etc/letsencrypt/*",
    "/etc/samestack/*.key", "/etc/lvm/*", "/etc/fstab", "/etc/iscsi/*",
    "/etc/cloud/*", "/etc/ssl/private/*", "/etc/{app}/internal-ca.crt", "/etc/{app}/owner.env",
)  # fmt: skip
#: Not everybody may read them, but no secret is in them; services have more.
OPEN = (
    "/etc/sudoers", "/etc/sudoers.d/*",
    "/etc/at.deny", "/etc/cron.*", "/etc/crontab", "/etc/samestack/*.json",
    "/etc/ufw/*.rules", "/etc/polkit-1/*", "/etc/security/*",
)  # fmt: skip


class Patterns:
    """Lists of paths, with the application's name put in."""

    def __init__(self, app: str, *patterns: str) -> None:
        """Take the application's name and the patterns."""
        self._known = re.compile("|".join(fnmatch.translate(pattern.format(app=app)) for pattern in patterns))

    def __contains__(self, path: str) -> bool:
        """Return whether a path is meant."""
        return bool(self._known.match(path))
