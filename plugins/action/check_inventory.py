"""The control-node half of `check_inventory`: gathers what the laws are about and reports every problem at once."""

from __future__ import annotations

import ipaddress
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ..plugin_utils.inventory import environment as in_hand
from ..plugin_utils.inventory import laws
from ..plugin_utils.inventory.defaults import edited_files
from ..plugin_utils.inventory.files import label
from ..plugin_utils.inventory.laws import Problem
from ..plugin_utils.inventory.values import check_values
from ..plugin_utils.inventory.view import DECISIONS, Inventory
from ..plugin_utils.project_files import project_file_problems
from ..plugin_utils.project_root import ENGINE
from ..plugin_utils.secrets.vault import secret_problems
from ..plugin_utils.stack.lock import FILE as STACK_LOCK
from ..plugin_utils.stack.lock import read_lock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible.parsing.dataloader import DataLoader

    from ..plugin_utils.inventory.files import KeyPath

    HostVars = Mapping[str, Any]

# What ssh reads beside `ansible_ssh_common_args`: a second -F or another host name there would win.
OTHER_WAYS = ("ansible_ssh_host", "ansible_ssh_args", "ansible_ssh_extra_args", "ansible_ssh_executable")
ROLES = ENGINE / "roles"
#: Whose variables an inventory gets, the weakest first (ansible.cfg)
VARIABLE_PLUGINS = ["samestack.core.defaults", "host_group_vars"]


def plain(value: object) -> object:
    """Return a templated value with everything inside it resolved; raises AnsibleError where something cannot be."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def name_problems(inventory: Inventory) -> Iterator[Problem]:
    """Yield what is wrong with the names of variables and with where they stand."""
    beside = Path(inventory.task_vars.get("playbook_dir") or inventory.folder)
    for name in ("group_vars", "host_vars") if beside != inventory.folder else ():
        if (beside / name).is_dir():
            what = "variables beside the playbooks would win over the inventory's without a word"
            yield Problem("folder", label(beside / name, inventory.root), what, f"Move them to inventories/{name}/")
    for error in inventory.errors:
        yield Problem("file", error.place, f"it {error}", "Correct that line")
    known, allowed = inventory.known, inventory.allowed
    declared_in = label(inventory.folder / in_hand.MARK, inventory.root)
    files = inventory.settings
    yield from laws.unknown_names(files, known, inventory.prefixes)
    # A name that does not exist is one problem, not two.
    real = [s for s in files if s.name in known | allowed or not s.name.startswith(tuple(inventory.prefixes))]
    if allowed:
        decided_in = label(inventory.folder / in_hand.MARK.with_name(DECISIONS), inventory.root)
        yield from laws.undeclared_differences(real, allowed, declared_in, decided_in)
    yield from laws.set_twice(files)
    yield from laws.worked_out(files)
    yield from laws.without_effect(files, allowed)
    yield from laws.unknown_differences(allowed, {*known, *(s.name for s in files if s.everywhere)}, declared_in)
    yield from laws.unknown_names(inventory.extra, known, inventory.prefixes, used_elsewhere=files)
    if not all(in_hand.is_local(host, inventory.groups) for host in inventory.hosts):

        def home(name: str) -> str:
            return inventory.home(name, inventory.hosts[0], extra=False)

        yield from laws.decisions_of_one_run(inventory.extra, set(inventory.decisions), home)


def value_problems(inventory: Inventory, host: str, host_vars: HostVars) -> Iterator[Problem]:
    """Yield what is wrong with the values that one host sees, causes without their consequences."""
    problems = list(all_value_problems(inventory, host, host_vars))
    wrong = {re.split(r"[.\[]", problem.variable)[0] for problem in problems}
    for problem in problems:
        name = re.split(r"[.\[]", problem.variable)[0]
        setting = inventory.written(name, host)
        template = str(setting.value) if setting and "{{" in str(setting.value) else ""
        if not (wrong - {name}) & set(re.findall(r"\w+", template)):
            yield problem


def all_value_problems(inventory: Inventory, host: str, host_vars: HostVars) -> Iterator[Problem]:
    """Yield what is wrong with the values that one host sees."""
    values: dict[str, Any] = {}
    for name in inventory.decisions:
        if name not in host_vars:
            continue
        try:
            values[name] = plain(host_vars[name])
        except AnsibleError as error:
            setting = inventory.written(name, host)
            raw = setting.value if setting else None
            if "vault_" in str(raw):
                # Secrets are loaded after this check; what stands around them is checked now.
                values[name] = raw
                continue
            what = f"its template cannot be resolved: {one_line(error)}"
            yield Problem(name, inventory.place(name, (), host), what, "Correct the template", laws.show(name, raw))
            values[name] = "{{ }}"

    def place(name: str, path: KeyPath) -> str:
        return inventory.place(name, path, host)

    def home(name: str) -> str:
        return inventory.home(name, host)

    yield from check_values(values, inventory.decisions, place, home, inventory.root)
    if not in_hand.is_local(host, inventory.groups):
        origins = {name: inventory.written(name, host) for name in values}
        own = {name: values[name] for name, by in origins.items() if by and not by.ours}
        address = {"ansible_host": host_vars["ansible_host"]} if "ansible_host" in host_vars else {}
        yield from laws.placeholders(own | address, place)


def one_line(error: AnsibleError) -> str:
    """Return the last sentence of an error, which is the cause, without the place that our own message gives."""
    return re.sub(r"\s+", " ", str(error)).split("Origin:")[0].rstrip(". ").split(": ")[-1]


def connection_problems(inventory: Inventory, host: str, host_vars: HostVars) -> Iterator[Problem]:
    """Yield what could lead a rehearsal to a real host: anything but Vagrant's connections."""
    if host not in inventory.groups.get(in_hand.REHEARSAL, []):
        return
    state = inventory.root.resolve() / ".samestack"
    if "ansible_host" in host_vars:
        value = str(plain(host_vars["ansible_host"]))
        fix = "Take it out of the rehearsal: its machines are found by their names"
        what = "a rehearsal has no addresses of real servers"
        yield Problem("ansible_host", inventory.place("ansible_host", (), host), what, fix, value)
    if host_vars.get("ansible_connection", "ssh") not in ("ssh", "ansible.builtin.ssh"):
        value = str(host_vars["ansible_connection"])
        what = "a rehearsal connects by ssh, with the settings that Vagrant gave"
        yield Problem(
            "ansible_connection", inventory.place("ansible_connection", (), host), what, "Take the line out", value
        )
    for name in OTHER_WAYS:
        if plain(host_vars.get(name, "")):
            what = "a rehearsal connects with the settings that Vagrant gave; this could lead past them"
            fix = "Move it to your ~/.ssh/config, for the real server's address"
            yield Problem(name, inventory.place(name, (), host), what, fix, str(plain(host_vars[name])))
    words = shlex.split(str(plain(host_vars.get("ansible_ssh_common_args", ""))))
    config = words[1] if len(words) == len(["-F", "file"]) and words[0] == "-F" else ""
    if not Path(config).resolve().is_relative_to(state) or not config:
        name = "ansible_ssh_common_args"
        what = "a rehearsal must connect with .samestack/ssh_config, which leads to local machines only"
        fix = "Write -F '{{ inventory_dir }}/../.samestack/ssh_config'"
        yield Problem(name, inventory.place(name, (), host), what, fix, " ".join(words) or "(nothing)")


def topology_problems(inventory: Inventory, environment: str, host_vars: HostVars) -> Iterator[Problem]:
    """Yield the functions that an environment needs and no machine of it has."""
    file = sorted(inventory.in_hand)[0] if inventory.in_hand else "the inventory"
    needed = {"web": "serves the site", "db": "has the database"}
    if host_vars.get("app_redis") is True:
        needed["cache"] = "has Redis, for which app_redis asks"
    for function, what in needed.items():
        members = [name for name in inventory.groups.get(function, []) if inventory.environment(name) == environment]
        if not members:
            fix = f"Name one of its machines under `{function}: hosts:`; it may be in several groups"
            yield Problem(f"group {function}", file, f"no machine of {environment} {what}", fix, "empty")
        elif function in ("db", "cache") and len(members) > 1:
            fix = "Leave one of them: the others would stay empty"
            several = f"{environment} has one machine for this, not several"
            yield Problem(f"group {function}", file, several, fix, ", ".join(sorted(members)))


def address_problems(inventory: Inventory, host: str, host_vars: HostVars) -> Iterator[Problem]:
    """Yield an address that firewalls cannot be told: machines that talk to each other need numbers, not names."""
    environment = inventory.environment(host)

    def members(*functions: str) -> set[str]:
        named = {name for function in functions for name in inventory.groups.get(function, [])}
        return {name for name in named if inventory.environment(name) == environment}

    servers, clients = members("db", "cache"), members("web", "worker")
    if host not in servers | clients or len(servers | clients) == 1 or "machine_address" not in host_vars:
        return
    value = str(plain(host_vars["machine_address"]))
    try:
        ipaddress.ip_address(value)
    except ValueError:
        setting = inventory.written("machine_address", host)
        written = setting and not setting.ours
        place = inventory.place("machine_address", (), host) if written else f"nowhere set for {host}"
        what = "is no IP address, and the firewalls of the other machines have to name this one"
        fix = f"Write the address at which they reach it beside {host} in the inventory: machine_address: 10.0.0.5"
        yield Problem("machine_address", place, what, fix, value)


def all_problems(
    task_vars: Mapping[str, Any], loader: DataLoader, extra: Mapping[str, Any], *, several: bool
) -> Iterator[Problem]:
    """Yield everything that is wrong with the inventory in hand, by Ansible's task variables and the command line's."""
    yield from in_hand.environment_problems(task_vars, several=several)
    sources = task_vars.get("ansible_inventory_sources") or []
    folder = in_hand.main_folder(sources)
    if folder is None:
        fix = "Use an inventory of the folder that has group_vars/all/differences.yml"
        yield Problem("inventory", ", ".join(sources), "there are no decisions beside it", fix)
        return
    if list(constants.VARIABLE_PLUGINS_ENABLED)[: len(VARIABLE_PLUGINS)] != VARIABLE_PLUGINS:
        given, wanted = ", ".join(constants.VARIABLE_PLUGINS_ENABLED), ", ".join(VARIABLE_PLUGINS)
        place = Path(constants.CONFIG_FILE or "ansible.cfg").name
        what = "what you did not decide would have no value, or a default would win over what you decided"
        yield Problem(
            "vars_plugins_enabled", place, what, f"Write vars_plugins_enabled = {wanted} under [defaults]", given
        )
        return
    inventory = Inventory(folder, ROLES, task_vars, extra)
    yield from name_problems(inventory)
    yield from read_lock(inventory.root / STACK_LOCK)[1]
    hosts = [host for host in inventory.hosts if inventory.environment(host)]
    for host in hosts:
        host_vars = task_vars["hostvars"][host]
        yield from value_problems(inventory, host, host_vars)
        yield from connection_problems(inventory, host, host_vars)
        yield from address_problems(inventory, host, host_vars)
    first = {inventory.environment(host): host for host in reversed(hosts)}
    for environment, host in sorted(first.items()):
        yield from topology_problems(inventory, environment, task_vars["hostvars"][host])
    for host in list(first.values())[:1]:
        processes = (plain(task_vars["hostvars"][host].get(name)) for name in ("app_workers", "app_timers"))
        names = [list(found) if isinstance(found, dict) else [] for found in processes]
        yield from project_file_problems(inventory.root, *names)
    local = {inventory.environment(host): in_hand.is_local(host, inventory.groups) for host in hosts}
    for environment, is_local in sorted(local.items()):
        yield from secret_problems(loader, folder, environment, local=is_local)


class ActionModule(ActionBase):
    """Check the inventory; fails with every problem, one paragraph each."""

    _VALID_ARGS = frozenset({"environments"})
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the environments in hand, or fail with `problems`."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(
            {"environments": {"type": "str", "choices": ["one", "any"], "default": "one"}}
        )
        task_vars = task_vars or {}
        several = arguments["environments"] == "any"
        problems = all_problems(task_vars, self._loader, load_extra_vars(self._loader), several=several)
        texts = list(dict.fromkeys(map(str, problems)))
        if edited := edited_files():
            self._display.warning(
                f"{', '.join(edited)}: changed here, and replaced by the next upgrade. What you decide belongs to "
                f"inventories/group_vars/all/{DECISIONS}, which wins over the defaults."
            )
        groups = task_vars["groups"]
        found = {name for host in task_vars["ansible_play_hosts_all"] for name in in_hand.environments_of(host, groups)}
        result |= {"changed": False, "failed": bool(texts), "problems": texts, "environments": sorted(found)}
        if texts:
            result["msg"] = "\n\n".join(texts)
        return result
