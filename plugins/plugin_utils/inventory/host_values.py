"""What is wrong with the values that one host sees, its templates resolved."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError

from ..errors import Problem
from . import certificates, laws, notices
from . import environment as in_hand
from .values import NOT_HERE, check_values
from .view import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .files import KeyPath
    from .view import HostVars, Inventory


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

    left_out = not_needed(values, fetches=inventory.fetches)
    for problem in check_values(values, inventory.decisions, place, home, inventory.root):
        if not (problem.variable in left_out and problem.what.endswith(NOT_HERE)):
            yield problem
    yield from laws.borrowed_accounts(values, place)
    yield from notices.url_problems(values.get(notices.NAME), place)
    yield from certificates.certificate_problems(values, place, inventory.root)
    if not in_hand.is_local(host, inventory.groups):
        origins = {name: inventory.written(name, host) for name in values}
        own = {name: values[name] for name, by in origins.items() if by and not by.ours}
        address = {"ansible_host": host_vars["ansible_host"]} if "ansible_host" in host_vars else {}
        yield from laws.placeholders(own | address, place)


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
