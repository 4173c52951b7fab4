"""Filters of roles exporters and monitor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from ..plugin_utils.project_root import ENGINE
from .backup import running_units
from .recorder import program_files

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

#: What the program `alerts` of a monitor is made of, as it lies in module_utils
PROGRAM = ("__init__.py", "standalone/__init__.py", "standalone/certificates.py", "monitor/*.py")
#: In the project; tests see them fire
RULES = "roles/monitor/files/rules.yml"
UNITS = "/etc/systemd/system"
FRONT, ALERTS = "samestack-metrics.service", "samestack-alerts.service"
OURS = "samestack.conf"


def unit_of(name: str) -> str:
    """Return the unit of an exporter; its package has the same name."""
    return f"prometheus-{name}-exporter.service"


def not_before_us(name: str) -> list[dict[str, Any]]:
    """Return `system_state` entries that keep a package's unit from being started before a role has said how.

    They are there before the package, which starts it while it is installed, on all interfaces.
    """
    folder = f"{UNITS}/{name}.service.d"
    return [
        {"path": folder, "state": "directory"},
        {
            "path": f"{folder}/samestack-first.conf",
            "template": "not-before.conf.j2",
            "vars": {"said": f"{folder}/{OURS}"},
        },
    ]


def exporter_ports(exporters: Iterable[Mapping[str, Any]], askers: Collection[str]) -> list[dict[str, Any]]:
    """Return what the firewall lets in: each exporter's port, from those who ask; none where nobody does."""
    return [{"port": one["port"], "from": list(askers)} for one in exporters] if askers else []


def guarded_ports(exporters: Iterable[Mapping[str, Any]], address: str) -> list[dict[str, Any]]:
    """Return where others ask, and nobody of the machine itself; it has the same ports at 127.0.0.1."""
    return [{"port": one["port"], "address": address} for one in exporters]


def exporter_files(exporters: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return `system_state` entries that say how each exporter runs."""
    return [
        {
            "path": f"{UNITS}/{unit_of(one['name'])}.d/{OURS}",
            "template": "exporter.conf.j2",
            "vars": {"exporter": dict(one)},
            "restart": unit_of(one["name"]),
        }
        for one in exporters
    ]


def unit_leftovers(units: Iterable[str]) -> list[dict[str, Any]]:
    """Return `system_state` entries of packages' units that nobody asks for: where we have started one, it ends.

    What somebody else has started is none of ours, and goes on.
    """
    return [{"path": f"{UNITS}/{unit}.d/{OURS}", "state": "absent", "restart": unit} for unit in units]


def exporter_leftovers(names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the same of exporters, by their names."""
    return unit_leftovers(map(unit_of, names))


def exporter_units(exporters: Iterable[Mapping[str, Any]], *, offered: bool) -> list[dict[str, Any]]:
    """Return units of `system_state`, each with whether it runs, and begins at boot.

    Args:
        exporters: those of this machine.
        offered: whether others ask them.
    """
    return running_units({unit_of(one["name"]): True for one in exporters} | {FRONT: offered})


def alert_program_files(folder: str) -> list[dict[str, str]]:
    """Return `system_state` entries that put the program of a monitor into a folder; it runs, and begins anew."""
    return [one | ({} if one.get("state") else {"restart": ALERTS}) for one in program_files(folder, PROGRAM)]


def known_alerts(machines: Iterable[str], environment: str) -> dict[str, Any]:
    """Return what people may be told of from a monitor: `rules`, by name, and `machines`."""
    content = yaml.safe_load((ENGINE / RULES).read_text(encoding="utf-8"))
    rules = [rule for group in content["groups"] for rule in group["rules"] if rule["labels"]["told"] == "yes"]

    def ours(text: str) -> str:
        """As Python fills it in: the program has no templates of Prometheus's."""
        return text.replace("{{ $labels.instance }}", "{instance}").replace(
            "{{ $externalLabels.environment }}", environment
        )

    said = {rule["alert"]: [ours(rule["annotations"][name]) for name in ("summary", "mend")] for rule in rules}
    return {"rules": said, "machines": list(machines)}


class FilterModule:
    """The filters, by the names that templates use."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "alert_program_files": alert_program_files,
            "exporter_files": exporter_files,
            "exporter_leftovers": exporter_leftovers,
            "exporter_ports": exporter_ports,
            "exporter_units": exporter_units,
            "guarded_ports": guarded_ports,
            "known_alerts": known_alerts,
            "not_before_us": not_before_us,
            "unit_leftovers": unit_leftovers,
        }
