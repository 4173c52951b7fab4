"""Which environment a run is about, and where its inventory is, by Ansible's task variables on the control node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ENVIRONMENTS = ("dev", "staging", "production")
REHEARSAL = "rehearsal"
MARK = Path("group_vars", "all", "differences.yml")


def inventory_folders(sources: Sequence[str]) -> list[Path]:
    """Return the folders of the inventory sources in hand, each once."""
    paths = [Path(source) for source in sources if "," not in source]
    return list(dict.fromkeys(path if path.is_dir() else path.parent for path in paths))


def main_folder(sources: Sequence[str]) -> Path | None:
    """Return the folder that holds the decisions (group_vars/all/differences.yml), or None."""
    return next((folder for folder in inventory_folders(sources) if (folder / MARK).is_file()), None)


def environments_of(host: str, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the environments that a host belongs to; one, where all is well."""
    return [name for name in ENVIRONMENTS if host in groups.get(name, [])]


def working(groups: Mapping[str, Sequence[str]]) -> set[str]:
    """Return the hosts that do something else than to keep backups."""
    others = {*ENVIRONMENTS, REHEARSAL, "backup", "all", "ungrouped"}
    return {host for group, hosts in groups.items() if group not in others for host in hosts}


def is_local(host: str, groups: Mapping[str, Sequence[str]]) -> bool:
    """Tell whether a host is a machine on this computer (development, rehearsal): its secrets are generated here."""
    return host in groups.get("dev", []) or host in groups.get(REHEARSAL, [])


def environment_problems(task_vars: Mapping[str, Any], *, several: bool) -> Iterator[Problem]:
    """Yield what is wrong with the choice of hosts: none, of no environment, of two at once."""
    hosts, groups = task_vars["ansible_play_hosts_all"], task_vars["groups"]
    sources = [Path(source).name for source in task_vars.get("ansible_inventory_sources") or []]
    place = ", ".join(sources) or "no inventory"
    if not groups.get("all"):
        fix = "Write your servers under `hosts:` there, or name the right inventory: -i inventories/dev.yml"
        yield Problem("hosts", place, "the inventory has no hosts", fix)
        return
    for host in hosts:
        of = environments_of(host, groups)
        if len(of) != 1:
            what = f"the host is in {' and '.join(of) if of else 'no environment'}"
            fix = f"Put it into exactly one of the groups {', '.join(ENVIRONMENTS)}"
            yield Problem(host, place, what, fix)
    real = [host for host in hosts if not is_local(host, groups)]
    if "rehearsal.yml" in sources and (real or {"staging.yml", "production.yml"} & set(sources)):
        what = "rehearsal and real servers are in one run"
        yield Problem("inventory", place, what, "Give one inventory: -i inventories/rehearsal.yml")
    found = sorted({name for host in hosts for name in environments_of(host, groups)})
    if len(found) > 1 and not several:
        what = f"the run is about {' and '.join(found)} at once"
        yield Problem("hosts", place, what, f"Choose one, for instance with --limit {found[-1]}")
