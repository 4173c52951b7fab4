"""Section `backup`: how pgBackRest is configured, and who it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.module_utils.manifest.section import Collector, Service

if TYPE_CHECKING:
    from plugins.module_utils.manifest.reading.live import Live
    from plugins.module_utils.manifest.reading.machine import Host, Section

FILE = "/etc/pgbackrest/pgbackrest.conf"
#: How the names of settings end that are secret
HIDDEN = ("cipher-pass", "s3-key", "s3-key-secret")


def pairs(text: str) -> dict[str, str]:
    """Return the settings of pgBackRest's configuration, those of a server with its section before them."""
    found, section = {}, ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = "" if line == "[global]" else "server "
        elif "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[section + name.strip()] = value.strip()
    return found


def collect(host: Host, _live: Live) -> Section:
    """Return the section, an empty one where no database is backed up: that is known, and a decision."""
    settings = pairs(host.text(FILE))
    return {name: host.keyed(value) if name.endswith(HIDDEN) else value for name, value in settings.items()}


def learn(host: Host) -> None:
    """Tell the host the passphrase and the keys, before anything is collected."""
    for name, value in pairs(host.text(FILE)).items():
        if name.endswith(HIDDEN):
            host.secrets.learn("key of backups", value)


SECTIONS = (Collector("backup", collect, learn=learn),)
SERVICE = Service(
    units=(r"samestack-backup.*",),
    own_files=("/etc/samestack/backup-*.pem",),
    open_files={FILE: rf"^\S*(?:{'|'.join(HIDDEN)})=.*$\n?"},
)
