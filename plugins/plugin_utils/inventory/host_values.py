"""What is wrong with the values that one host sees, its templates resolved."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError

from ..errors import Problem
from ..project_root import own_state_inside
from . import app_environment, backups, certificates, laws, notices
from . import environment as in_hand
from .values import NOT_HERE, check_values
from .view import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .files import KeyPath
    from .view import HostValues, HostVars, Inventory

TAKE_OUT = "Take the host out: the environment has no backups for it to keep (backup_repositories)"
# What only a later step of a run knows: secrets, and what a host says of itself
LATER = re.compile(r"'(vault_\w+|ansible_facts)\b[^']*' is undefined")


def value_problems(inventory: Inventory, host: str, host_vars: HostValues) -> Iterator[Problem]:
    """Yield what is wrong with the values that one host sees, causes without their consequences."""
    problems = list(all_value_problems(inventory, host, host_vars))
    wrong = {re.split(r"[.\[]", problem.variable)[0] for problem in problems}
    for problem in problems:
        name = re.split(r"[.\[]", problem.variable)[0]
        setting = inventory.written(name, host)
        template = str(setting.value) if setting and "{{" in str(setting.value) else ""
        if not (wrong - {name}) & set(re.findall(r"\w+", template)):
            yield problem


class Reader:
    """Resolves one host's variables part by part, so that a part that cannot be resolved hides no other."""

    def __init__(self, host_vars: HostValues, place: laws.Place) -> None:
        """Take the variables, and who knows where they were written."""
        self.host_vars, self.place = host_vars, place
        self.problems: list[Problem] = []

    def read(self, name: str) -> object:
        """Return a variable's value; what only a later step knows stays a template."""
        return self._part(name, self.host_vars.written(name), ())

    def _part(self, name: str, value: object, path: KeyPath) -> object:
        if isinstance(value, dict):
            return {str(key): self._part(name, item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, list):
            return [self._part(name, item, (*path, index)) for index, item in enumerate(value)]
        try:
            return plain(self.host_vars.resolved(value))
        except AnsibleError as error:
            if LATER.search(str(error)) or "ansible_facts" in str(value):
                return value
            variable = laws.dotted(name, path)
            what = f"its template cannot be resolved: {one_line(error)}"
            shown = laws.show(variable, value)
            self.problems.append(Problem(variable, self.place(name, path), what, "Correct the template", shown))
            return "{{ }}"


def all_value_problems(inventory: Inventory, host: str, host_vars: HostValues) -> Iterator[Problem]:
    """Yield what is wrong with the values that one host sees."""

    def place(name: str, path: KeyPath) -> str:
        return inventory.place(name, path, host)

    reader = Reader(host_vars, place)
    values: dict[str, Any] = {name: reader.read(name) for name in inventory.decisions if name in host_vars}
    yield from reader.problems

    def home(name: str) -> str:
        return inventory.home(name, host)

    left_out = not_needed(values, fetches=inventory.fetches)
    for problem in check_values(values, inventory.decisions, place, home, inventory.root):
        if not (problem.variable in left_out and problem.what.endswith(NOT_HERE)):
            yield problem
    yield from laws.borrowed_accounts(values, place)
    yield from laws.debugger_problems(values, place)
    if isinstance(values.get("app_source"), dict):
        yield from laws.hiding_problems(values, own_state_inside(values["app_source"]), place)
    yield from app_environment.name_problems(values, place)
    yield from app_environment.database_problems(values, lambda: str(reader.read("database_url")), place)
    yield from notices.url_problems(values.get(notices.NAME), place)
    yield from certificates.certificate_problems(values, place, inventory.root)
    environment = inventory.environment(host)
    keepers = [name for name in inventory.groups.get("backup", []) if inventory.environment(name) == environment]
    written = inventory.written(backups.NAME, host)
    yield from backups.backup_problems(values, place, environment, keepers, written.value if written else None)
    if not in_hand.is_local(host, inventory.groups):
        origins = {name: inventory.written(name, host) for name in values}
        own = {name: values[name] for name, by in origins.items() if by and not by.ours}
        address = {"ansible_host": host_vars["ansible_host"]} if "ansible_host" in host_vars else {}
        yield from laws.placeholders(own, place)
        idle = host in keepers and host in backups.idle_keepers(inventory.groups, values.get(backups.NAME))
        yield from laws.placeholders(address, place, TAKE_OUT if idle else laws.WRITE_YOUR_OWN)


def not_needed(values: Mapping[str, Any], *, fetches: bool) -> set[str]:
    """Return the files and folders of `app_source` that this run does without: not everybody's computer has them.

    Args:
        values: the decisions as a host sees them.
        fetches: whether the run makes a release of the code.
    """
    source, live = values.get("app_source"), bool(values.get("app_live_path"))
    checkout = isinstance(source, dict) and "live_checkout" in source
    if live:
        names = ["deploy_key"] if checkout else []
    else:
        names = ["live_checkout", *([] if fetches else ["path", "deploy_key"])]
    return {f"app_source.{name}" for name in names}


def value_advice(inventory: Inventory, host: str, host_vars: HostVars) -> Iterator[Problem]:
    """Yield what works today, and should be looked at all the same; for an inventory without problems."""
    values: dict[str, Any] = {}
    for name in certificates.READ:
        try:
            values[name] = plain(host_vars[name]) if name in host_vars else None
        except AnsibleError:
            # A secret in it is loaded later.
            setting = inventory.written(name, host)
            values[name] = setting.value if setting else None

    def place(name: str, path: KeyPath) -> str:
        return inventory.place(name, path, host)

    web = [
        name for name in inventory.groups.get("web", []) if inventory.environment(name) == inventory.environment(host)
    ]
    if host in web:
        yield from certificates.certificate_advice(values, place, inventory.root, len(web))


def one_line(error: AnsibleError) -> str:
    """Return the last sentence of an error, which is the cause, without the place that our own message gives."""
    return re.sub(r"\s+", " ", str(error)).split("Origin:")[0].rstrip(". ").split(": ")[-1]
