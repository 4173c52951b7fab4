"""Log, shell, manage.py and database prompt on an environment: `box/on INVENTORY ENVIRONMENT VERB`."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from box import logs
from box.common import SetupError, stop
from box.resolve import Inventory


def ssh_to(host: str, variables: dict[str, Any], *, terminal: bool) -> list[str]:
    """The ssh command to `host`, with the connection that Ansible itself would take."""
    command = ["ssh"]
    for name in ("ansible_ssh_common_args", "ansible_ssh_extra_args"):
        command += shlex.split(str(variables.get(name, "")))
    if variables.get("ansible_port"):
        command += ["-p", str(variables["ansible_port"])]
    if variables.get("ansible_ssh_private_key_file"):
        command += ["-i", str(Path(str(variables["ansible_ssh_private_key_file"])).expanduser())]
    if variables.get("ansible_user"):
        command += ["-l", str(variables["ansible_user"])]
    if terminal:
        command.append("-t")
    return [*command, "--", str(variables.get("ansible_host", host))]


def remote_command(verb: str, variables: dict[str, Any]) -> list[str]:
    """What runs on the host for `verb`, before quoting. Raises `SetupError` when `manage` has no command."""
    app = str(variables["app_name"])
    if verb == "manage":
        command = os.environ.get("CMD", "")
        if not command:
            raise SetupError(
                "CMD is empty (on the command line): write the command: ./samestack manage dev -- createsuperuser"
            )
        return ["sudo", f"/usr/local/bin/{app}-manage", *shlex.split(command)]
    if verb == "dbshell":
        # As the application's own role, on the machine that has the database, wherever the application runs.
        role = f"PGOPTIONS=-c role={variables['database_user']}"
        where = [f"--port={variables['database_port']}", f"--dbname={variables['database_name']}"]
        return ["sudo", "-u", "postgres", "env", role, "psql", *where]
    return []


def follow_logs(inventory: Inventory, hosts: list[str]) -> int:
    """Follow the logs of all hosts until Ctrl-C."""
    commands, app = {}, ""
    for host in hosts:
        variables = inventory.variables(host, "app_name")
        app = str(variables["app_name"])
        commands[host] = [*ssh_to(host, variables, terminal=False), shlex.join(logs.remote_command(app))]
    return logs.follow(commands, app, lambda text: print(text, flush=True))


def main(inventory_file: str, environment: str, verb: str) -> int:
    """Run the ssh command and return its status. Raises `SetupError` when the environment has no host for it."""
    inventory = Inventory(inventory_file)
    function = "db" if verb == "dbshell" else "web"
    hosts = inventory.hosts(f"{environment}:&{function}") or inventory.hosts(environment)
    if not hosts:
        raise SetupError(f"{environment} (in {inventory_file}): there is no host in it. Add one under `hosts:`.")
    if verb == "logs":
        try:
            return follow_logs(inventory, inventory.hosts(environment))
        except (KeyboardInterrupt, BrokenPipeError):
            # Nothing more can be said to a reader that has gone.
            sys.stdout = None
            return 0
    variables = inventory.variables(hosts[0], "app_name", "database_name", "database_port", "database_user")
    command = ssh_to(hosts[0], variables, terminal=sys.stdin.isatty())
    remote = remote_command(verb, variables)
    if remote:
        command.append(shlex.join(remote))
    try:
        return subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:4]))
    except SetupError as problem:
        stop(str(problem))
