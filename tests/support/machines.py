"""Machines of an inventory: what is expected of them, a connection, and the site that they serve.

Options: `--ansible-inventory` (default inventories/dev.yml) and `--hosts` (names, comma-separated; default all).
"""

from __future__ import annotations

import atexit
import functools
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import testinfra
import yaml

from plugins.plugin_utils.inventory.environment import ENVIRONMENTS
from tests.support.browser import Browser
from tests.support.expected import SECRETS, Expected, Site
from tests.support.load import Load

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible.inventory.manager import InventoryManager
    from ansible.vars.manager import VariableManager
    from testinfra.host import Host

    from tests.support.load import Visitors

__all__ = [
    "Environment",
    "Machine",
    "app_machine",
    "choose_machines",
    "database",
    "environment",
    "machine",
    "redis",
    "site",
]


@functools.cache
def connections() -> str:
    """Return a folder for the shared connections of this run; they end 20 s after their last use."""
    folder = tempfile.mkdtemp(prefix="samestack-ssh-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def the_site() -> Site:
    """Return the list of roles, read once."""
    return Site()


class Machine:
    """One machine of the environment."""

    def __init__(self, environment: Environment, name: str) -> None:
        self.environment = environment
        self.name = name
        self.kind = next((kind for kind in ENVIRONMENTS if name in environment.names(kind)), "")
        self._resolved = environment.resolved(self.kind)
        self._values = environment.site.values(*self._resolved, name)
        user = self.variable("ansible_user", "")
        host = self.variable("ansible_host", name)
        port = self.variable("ansible_port", "")
        self._target = f"{user}@{host}" if user else host
        options = shlex.split(self.variable("ansible_ssh_common_args", ""))
        if key := self.variable("ansible_ssh_private_key_file", ""):
            options += ["-i", key]
        self.ssh_options = [*options, *(["-p", str(port)] if port else [])]
        self.host: Host = testinfra.get_host(
            f"ssh://{self._target}{f':{port}' if port else ''}",
            sudo=True,
            ssh_extra_args=shlex.join(options),
            controlpath=f"{connections()}/{name}",
            controlpersist=20,
        )

    def variable(self, name: str, default: Any = None) -> Any:
        """Return a variable of the inventory, resolved; the default when nothing sets it."""
        if name not in self._values.available_variables:
            return default
        return self._values.template(self._values.available_variables[name])

    @functools.cached_property
    def facts(self) -> dict[str, Any]:
        """Return what our facts module says of the machine."""
        return self.environment.facts[self.name]

    @functools.cached_property
    def expected(self) -> Expected:
        """Return what the roles put on it."""
        return self.environment.site.expected(*self._resolved, self.name, self.facts)

    @functools.cached_property
    def certain_entries(self) -> dict[str, dict[str, Any]]:
        """Return what the roles put on it, without that which follows from a secret that no test knows."""
        return {path: entry for path, entry in self.expected.entries.items() if not self._is_uncertain(path, entry)}

    def _is_uncertain(self, path: str, entry: dict[str, Any]) -> bool:
        text = self.expected.text(path) if entry["state"] == "file" else ""
        if any(secret in text for secret in SECRETS.values()):
            return True
        # Pairs are named after their authority.
        known = "vault_ca_certificate" in self.environment.certificates(self.kind)
        return not known and bool(re.search(r"server-[0-9a-f]{8}\.pem", path + text))

    def value(self, name: str) -> Any:
        """Return a role's variable, defaults included."""
        return self.expected.value(name)

    @property
    def app(self) -> str:
        """Return the application's name."""
        return str(self.variable("app_name"))

    @functools.cached_property
    def address(self) -> str:
        """Return where ssh finds the machine."""
        shown = subprocess.run(
            ["ssh", *self.ssh_options, "-G", self._target], stdout=subprocess.PIPE, text=True, check=True
        )
        return next(line.split()[1] for line in shown.stdout.splitlines() if line.startswith("hostname "))

    def has(self, group: str) -> bool:
        """Tell whether the machine is in a group."""
        return group in self.variable("group_names")

    def run(self, script: str) -> str:
        """Return the output of a shell script that must succeed, run as root."""
        done = self.host.run("set -e\n" + script)
        assert done.rc == 0, f"{self.name}: {script}\n{done.stdout}{done.stderr}"
        return str(done.stdout)

    def give(self, path: str, text: str) -> None:
        """Write a file that root alone reads; its text is no argument of any program."""
        write = f"sudo sh -c {shlex.quote('umask 077; cat >' + shlex.quote(path))}"
        subprocess.run(["ssh", *self.ssh_options, self._target, write], input=text, text=True, check=True)

    def manage(self, command: str) -> str:
        """Return the output of a management command of the application."""
        return self.run(f"{self.app}-manage {command} </dev/null")

    def browser(self) -> Browser:
        """Return a new browser for the site on this machine."""
        return Browser(self.variable("app_domains")[0], self.address, self.authority)

    def load(self, *visitors: Visitors) -> Load:
        """Return visitors of the site on this machine, who have not begun yet."""
        return Load(self.variable("app_domains")[0], self.address, self.authority, *visitors)

    @property
    def authority(self) -> Path | None:
        """Return the certificate that the site's own is signed with, None where every computer knows it."""
        local = self.variable("web_tls")["provider"] == "local_ca"
        return self.environment.site.root / ".samestack" / "ca.crt" if local else None


class Environment:
    """An inventory and its machines."""

    def __init__(self, inventory: Path) -> None:
        self.site = the_site()
        self.source = inventory
        self._machines: dict[str, Machine] = {}
        self._resolved: dict[str, tuple[InventoryManager, VariableManager]] = {}

    def resolved(self, kind: str) -> tuple[InventoryManager, VariableManager]:
        """Return the inventory's hosts and variables as an environment sees them."""
        if kind not in self._resolved:
            self._resolved[kind] = self.site.inventory(self.source, self.certificates(kind))
        return self._resolved[kind]

    def certificates(self, kind: str) -> dict[str, str]:
        """Return the certificates among a local environment's secrets; tests go without those of real servers."""
        file = self.site.root / ".samestack" / "secrets" / f"{kind}.yml"
        local = self.source.name in ("dev.yml", "rehearsal.yml")
        values = yaml.safe_load(file.read_text(encoding="utf-8")) if local and file.exists() else None
        return {name: text for name, text in (values or {}).items() if name.endswith("_certificate")}

    def names(self, group: str) -> list[str]:
        """Return the names of a group's machines, or of those that a pattern chooses."""
        return [host.name for host in self.resolved("")[0].get_hosts(group)]

    def machine(self, name: str) -> Machine:
        """Return a machine by its name."""
        return self._machines.setdefault(name, Machine(self, name))

    def machines(self, group: str = "all") -> list[Machine]:
        """Return the machines of a group."""
        return [self.machine(name) for name in self.names(group)]

    @functools.cached_property
    def facts(self) -> dict[str, dict[str, Any]]:
        """Return every machine's facts, read in one go."""
        ansible = Path(sys.executable).with_name("ansible")
        done = subprocess.run(
            [str(ansible), "-i", str(self.source), "all", "-o", "-m", "samestack.core.machine_facts"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd=self.site.root,
        )  # fmt: skip
        found = {}
        for line in done.stdout.splitlines():
            name, separator, answer = line.partition(" | SUCCESS => ")
            if separator:
                found[name] = json.loads(answer)["ansible_facts"]["machine"]
        assert found, done.stdout + done.stderr
        return found


@functools.cache
def the_environment(inventory: Path) -> Environment:
    """Return an inventory, read once."""
    return Environment(inventory)


def choose_machines(metafunc: pytest.Metafunc) -> None:
    """Give a test its machines: all, those that run the application, that have the database, or Redis."""
    kinds: dict[str, Callable[[Machine], bool]] = {
        "machine": lambda _machine: True,
        "app_machine": lambda machine: machine.name in machine.variable("app_hosts"),
        "database": lambda machine: machine.has("db"),
        "redis": lambda machine: machine.has("cache") and machine.variable("app_redis"),
    }
    for kind in set(kinds).intersection(metafunc.fixturenames):
        found = the_environment(inventory_of(metafunc.config))
        machines = found.machines(metafunc.config.getoption("hosts") or "all")
        metafunc.parametrize(kind, [machine.name for machine in machines if kinds[kind](machine)], indirect=True)


def inventory_of(config: pytest.Config) -> Path:
    """Return the inventory that the options choose."""
    return Path(config.getoption("ansible_inventory") or "inventories/dev.yml").resolve()


@pytest.fixture(scope="session")
def environment(pytestconfig: pytest.Config) -> Environment:
    """The inventory in hand."""
    return the_environment(inventory_of(pytestconfig))


def _one_by_one(environment: Environment, request: pytest.FixtureRequest) -> Machine:
    return environment.machine(request.param)


machine = pytest.fixture(scope="session", name="machine")(_one_by_one)
app_machine = pytest.fixture(scope="session", name="app_machine")(_one_by_one)
database = pytest.fixture(scope="session", name="database")(_one_by_one)
redis = pytest.fixture(scope="session", name="redis")(_one_by_one)


@pytest.fixture(scope="session")
def site(environment: Environment) -> Machine:
    """The machine that serves the site."""
    return environment.machines("web")[0]


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 20) -> Any:
    """Return a condition's answer as soon as it is true; fails with `what` and the last state after some seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = condition()
            last = f"last: {found!r}"
            if found:
                return found
        # ssh says RuntimeError when nobody is there.
        except (OSError, AssertionError, RuntimeError, ValueError) as error:
            last = repr(error)
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds} s; {last}")
        time.sleep(0.1)
