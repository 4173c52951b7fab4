"""Names that belong to somebody already: accounts, folders and units of the operating system, roles of PostgreSQL."""

from __future__ import annotations

from functools import cache
from typing import Any

from .files import service_declarations

#: Accounts and groups that Debian's and Ubuntu's base-passwd and systemd have (`base-passwd`'s users-and-groups), and
#: those of the packages that are installed here
ACCOUNTS = frozenset((
    "adm", "audio", "backup", "bin", "cdrom", "chrony", "clock", "crontab", "daemon", "dialout", "dip", "disk",
    "fax", "floppy", "games", "gnats", "input", "irc", "kmem", "kvm", "landscape", "list", "lp", "lxd", "mail",
    "man", "memcache", "messagebus", "netdev", "news", "nobody", "nogroup", "ntp", "ntpsec", "operator", "plugdev",
    "polkitd", "pollinate", "postgres", "proxy", "render", "root", "sasl", "sgx", "shadow", "src", "sshd",
    "ssh", "staff", "sudo", "sync", "sys", "syslog", "tape", "tcpdump", "tss", "tty", "users", "utmp", "uucp",
    "uuidd", "video", "voice", "wheel", "www-data",
))  # fmt: skip
#: Folders right in /etc and /run, and units, that an application's own would lie over
FOLDERS = frozenset((
    "alternatives", "apparmor", "apt", "at", "bash", "binfmt", "blkid", "ca-certificates", "certbot", "cloud-init",
    "console", "cron", "credentials", "cryptsetup", "dbus", "debconf", "default", "dev", "dhcp", "dpkg", "emacs",
    "fail2ban", "fonts", "fstab", "groff", "group", "grub", "hostname", "hosts", "init", "initctl", "initramfs",
    "initramfs-tools", "iproute2", "issue", "kernel", "landscape", "letsencrypt", "lock", "locale", "logrotate",
    "lvm", "machine-id", "mke2fs", "modprobe", "modules", "monit", "motd", "mount", "needrestart",
    "netplan", "network", "networking", "networkd-dispatcher", "nftables", "openssl", "opt", "pam",
    "passwd", "perl", "pgbackrest", "polkit-1", "postgresql-common", "ppp", "profile", "protocols", "python",
    "python3", "rc-local", "rc", "rmt", "rpc", "samestack", "screen", "security", "selinux",
    "services", "sgml", "shadow", "shells", "shm", "skel", "snapd", "sshd", "ssl", "sudoers", "sysctl", "sysstat",
    "system", "systemd", "terminfo", "timesyncd", "timezone", "tmpfiles", "ucf", "udev", "udisks2", "ufw",
    "unattended-upgrades", "update-motd", "user", "vagrant", "vim", "wpasupplicant", "xattr", "xdg", "xml",
))  # fmt: skip
#: Beginnings of what systemd and its packages call their own units and accounts
BEGINNINGS = ("systemd-", "samestack-", "apt-", "dpkg-", "user-", "session-", "run-", "dev-", "sys-", "proc-", "snap-")
#: What PostgreSQL keeps for itself (CREATE ROLE), and what means something else in pg_hba.conf
ROLES = frozenset((
    "all", "current_role", "current_user", "none", "postgres", "public", "replication", "samegroup", "samerole",
    "sameuser", "session_user", "template0", "template1", "user",
))  # fmt: skip
PREDEFINED_ROLES = "pg_"


@cache
def of_services() -> frozenset[str]:
    """Return what services are called: as roles, packages, units and groups."""
    names: set[Any] = set()
    for role, said in service_declarations().items():
        # Where they depend on decisions, they are a template's.
        units, packages = (said[word] if isinstance(said[word], list) else [] for word in ("units", "packages"))
        names |= {role, said.get("system_group"), *(unit.split(".")[0].split("@")[0] for unit in units), *packages}
    return frozenset(str(name) for name in names if name and "{" not in str(name))


def is_account(name: str) -> bool:
    """Return whether a name is one of the operating system's accounts or groups, or of a service's."""
    return name in ACCOUNTS or name in of_services() or name.startswith(BEGINNINGS)


def is_systems(name: str) -> bool:
    """Return whether the operating system has an account, a folder or a unit of a name."""
    return is_account(name) or name in FOLDERS


def is_servers(name: str) -> bool:
    """Return whether a name of a database or role is the database server's own."""
    return name in ROLES or name.startswith(PREDEFINED_ROLES)
