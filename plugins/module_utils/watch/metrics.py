"""What a look has found, as numbers: a file that a node exporter reads. Pure, but for `write`.

The names stay what they are: rules and charts of other people hang on them. Nothing here is a secret: numbers, and
names of disks, sites, units and servers.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

from ..common.files import write_atomic
from ..common.paths import STATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILE = f"{STATE}/metrics/samestack.prom"
LEVELS = ("red", "yellow", "note")
#: Every name, and what it says; times are seconds since 1970
NAMES = {
    "samestack_system_info": "1; which system this is, and its release",
    "samestack_watch_looked_seconds": "when the last look was",
    "samestack_watch_unsent_seconds": "since when a notice could not be sent; 0 where none waits",
    "samestack_findings": "how many things are not as they should be, by section and level",
    "samestack_release_info": "1; which release serves here",
    "samestack_release_since_seconds": "since when it does",
    "samestack_backup_restorable_until_seconds": "up to which moment everything can be restored; 0 where nothing can",
    "samestack_backup_looked_seconds": "when the backups were looked at",
    "samestack_backup_drill_seconds": "when a backup was last tried; 0 where none was",
    "samestack_backup_drill_ok": "1 where the last drill went well",
    "samestack_certificate_ends_seconds": "when the certificate ends that is shown under a name",
    "samestack_disk_days_left": "days until a disk is full if it fills as it has; +Inf where it does not",
    "samestack_disk_used_percent": "how full a disk is",
    "samestack_units_failed": "units of systemd that have failed",
    "samestack_units_stopped": "services that are stopped and begin at each boot",
    "samestack_replication_standbys": "standbys that are connected",
    "samestack_replication_behind_bytes": "WAL that a standby has not applied yet",
    "samestack_replication_streaming": "1 where a standby gets WAL as it comes",
    "samestack_replication_kept_bytes": "WAL that is kept for a slot of which nobody takes it",
    "samestack_postgresql_up": "1 where the server answers",
    "samestack_postgresql_connections": "connections in use",
    "samestack_postgresql_connections_most": "connections that there may be",
    "samestack_run": "1 while a run of Samestack changes something here",
    "samestack_frozen": "1 while the environment is frozen",
    "samestack_maintenance": "1 while visitors see the maintenance page",
    "samestack_drift": "1 where something changed outside of Samestack",
}


class Metric(NamedTuple):
    """One number."""

    name: str
    value: float
    labels: Mapping[str, str] = {}


def text(metrics: Iterable[Metric]) -> str:
    """Return the metrics as Prometheus reads them, each name with what it says; raises KeyError for an unknown name."""
    found: dict[str, list[str]] = {}
    for one in metrics:
        found.setdefault(one.name, []).append(line(one))
    parts = []
    for name in sorted(found):
        parts += [f"# HELP {name} {NAMES[name]}", f"# TYPE {name} gauge", *sorted(found[name])]
    return "\n".join([*parts, ""])


def line(metric: Metric) -> str:
    """Return one line."""
    labels = ",".join(f'{name}="{escaped(value)}"' for name, value in metric.labels.items())
    value = "+Inf" if metric.value == float("inf") else f"{float(metric.value):.17g}"
    return f"{metric.name}{{{labels}}} {value}" if labels else f"{metric.name} {value}"


def escaped(value: str) -> str:
    """Return a label's value, whatever is in it, as it stands between quotes."""
    # What is no UTF-8 would cost the reader the whole file.
    clean = value.encode("utf-8", "replace").decode()
    return clean.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def of_findings(sections: Iterable[Mapping[str, Any]]) -> list[Metric]:
    """Return how many findings of each level each section has; none is a number, too."""
    return [
        Metric(
            "samestack_findings",
            sum(one["level"] == level for one in part["findings"]),
            {"section": part["name"], "level": level},
        )
        for part in sections
        for level in LEVELS
    ]


def write(metrics: Iterable[Metric], path: str = FILE) -> None:
    """Write the file, in a folder that role exporters makes a moment later; raises PathError, OSError."""
    with contextlib.suppress(FileNotFoundError):
        write_atomic(path, text(metrics))
