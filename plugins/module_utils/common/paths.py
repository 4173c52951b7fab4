"""Our folders on a host."""

from __future__ import annotations

#: What is kept: ledger, manifests, restore points
STATE = "/var/lib/samestack"
#: What goes with a reboot: locks
RUN = "/run/samestack"
#: What roles have decided
CONFIG = "/etc/samestack"
