"""What one run sees of the inventory: the files, the specs, the hosts in hand, and who decided what.

Runs on the control node.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible.template import Templar

from . import environment as in_hand
from .environment import MARK
from .files import Setting, label, own_settings, read_mapping, read_settings
from .notices import RETIRED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible.parsing.dataloader import DataLoader
    from ansible.vars.hostvars import HostVars as AllHosts

    from .files import KeyPath

    HostVars = Mapping[str, Any]

COMMAND_LINE = "the command line, -e"
DECISIONS = "app.yml"
# Which of two places wins: (kind, inline) in Ansible's order of precedence. One is left free after those of groups for
# the rehearsal's, which win over those of the environment that is rehearsed.
RANKS = {
    ("group", True): 1, ("default", False): 3, ("wiring", False): 3, ("all", False): 4, ("group", False): 5,
    ("host", True): 7, ("host", False): 8,
}  # fmt: skip
THE_DEFAULT = "the default"


class HostValues(Mapping[str, Any]):
    """One host's variables as its tasks see them: a template may ask about other hosts, too.

    Ansible's own view of a host (`hostvars[host]`) does not know the others.
    """

    def __init__(self, hosts: AllHosts, host: str, loader: DataLoader) -> None:
        """Take the variables of all hosts, and the name of one."""
        self._variables: dict[str, Any] = {**hosts.raw_get(host), "hostvars": hosts}
        self._templar = Templar(loader, variables=self._variables)

    def written(self, name: str) -> Any:
        """Return a variable as it was written."""
        return self._variables[name]

    def resolved(self, value: Any) -> Any:
        """Return a value with its templates resolved; raises AnsibleError."""
        return self._templar.template(value)

    def __getitem__(self, name: str) -> Any:
        """Return a variable, resolved; raises KeyError, AnsibleError."""
        return self.resolved(self._variables[name])

    def __contains__(self, name: object) -> bool:
        """Return whether there is such a variable, whatever its value is."""
        return name in self._variables

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the variables."""
        return iter(self._variables)

    def __len__(self) -> int:
        """Return how many variables there are."""
        return len(self._variables)


class Inventory:
    """What one run sees of the inventory: the files, the specs, and the hosts in hand."""

    def __init__(self, folder: Path, roles: Path, task_vars: Mapping[str, Any], extra: Mapping[str, Any]) -> None:
        """Read the files beside the decisions, those of any other inventory in hand, and the specs of all roles."""
        self.folder, self.root = folder, folder.parent
        self.task_vars = task_vars
        self.hosts: list[str] = task_vars["ansible_play_hosts_all"]
        self.groups: Mapping[str, list[str]] = task_vars["groups"]
        self.settings, self.errors = read_settings(folder, self.root)
        self.settings = [*own_settings(), *self.settings]
        for other in in_hand.inventory_folders(task_vars.get("ansible_inventory_sources") or []):
            if other != folder:
                settings, errors = read_settings(other, self.root)
                self.settings += settings
                self.errors += errors
        # Of the inventory files beside the decisions, only those in hand say where a value comes from.
        self.in_hand = {label(Path(source), self.root) for source in task_vars.get("ansible_inventory_sources") or []}
        self.extra = [Setting(str(name), value, COMMAND_LINE, 0, "extra", "") for name, value in extra.items()]
        specs = {path.parents[1].name: spec_options(path) for path in roles.glob("*/meta/argument_specs.yml")}
        self.decisions: dict[str, Any] = {}
        for points in specs.values():
            self.decisions |= points.pop("decisions", {})
        self.role_variables = {name for points in specs.values() for options in points.values() for name in options}
        topics = {name.split("_", maxsplit=1)[0] for name in self.decisions} - {"allowed"}
        self.prefixes = {f"{name}_" for name in {*specs, *topics}}

    @property
    def wired(self) -> set[str]:
        """The names that the wiring sets."""
        return {setting.name for setting in self.settings if setting.kind == "wiring"}

    @property
    def known(self) -> set[str]:
        """Every name that something reads."""
        return {*self.decisions, *self.role_variables, *self.wired, *RETIRED}

    @property
    def allowed(self) -> set[str]:
        """The declared differences, read from their own file: no other place can add to them."""
        values: object = next((s.value for s in self.settings if s.everywhere and s.name == "allowed_differences"), [])
        return set(values) if isinstance(values, list) else set()

    def environment(self, host: str) -> str:
        """Return the environment of a host, or nothing."""
        return next(iter(in_hand.environments_of(host, self.groups)), "")

    def written(self, name: str, host: str, *, extra: bool = True) -> Setting | None:
        """Return the place that decides what a variable is for a host; `extra`: the command line counts."""
        mine = [group for group, hosts in self.groups.items() if host in hosts]
        found = [
            (RANKS[setting.kind, setting.inline] + (setting.owner == in_hand.REHEARSAL), setting.owner, number)
            for number, setting in enumerate(self.settings)
            if setting.name == name
            and (not setting.inline or setting.file in self.in_hand)
            and (setting.everywhere or (setting.owner in mine if setting.kind == "group" else setting.owner == host))
        ]
        in_files = self.settings[max(found)[2]] if found else None
        return next((setting for setting in self.extra if extra and setting.name == name), in_files)

    def place(self, name: str, path: KeyPath, host: str) -> str:
        """Return where something inside a variable was written for a host."""
        setting = self.written(name, host)
        if setting is None:
            return self.home(name, host)
        if setting.ours:
            return THE_DEFAULT
        return COMMAND_LINE if setting.kind == "extra" else setting.place(path)

    def home(self, name: str, host: str, *, extra: bool = True) -> str:
        """Return the file in which a variable belongs: where it is set (`extra`: or the command line), or should be."""
        setting = self.written(name, host, extra=extra)
        if setting and not setting.ours and not (name in self.allowed and setting.everywhere):
            return COMMAND_LINE if setting.kind == "extra" else setting.place()
        if name in self.allowed and self.environment(host):
            file = self.folder / "group_vars" / self.environment(host) / "differences.yml"
        else:
            file = self.folder / "group_vars" / "all" / (MARK.name if name == "allowed_differences" else DECISIONS)
        return label(file, self.root)


def spec_options(path: Path) -> dict[str, Any]:
    """Return the options of every entry point of a role, by entry point."""
    points = read_mapping(path, path.name)[0].get("argument_specs") or {}
    return {name: point.get("options") or {} for name, point in points.items()}


def plain(value: object) -> object:
    """Return a templated value with everything inside it resolved; raises AnsibleError where something cannot be."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
