"""Our folders on a host."""

from __future__ import annotations

#: What is kept: ledger, manifests, restore points
STATE = "/var/lib/samestack"
#: Copies of databases that leave, or have arrived
COPIES = f"{STATE}/copies"
#: What goes with a reboot: locks
RUN = "/run/samestack"
#: What roles have decided
CONFIG = "/etc/samestack"
