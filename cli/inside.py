"""On a machine: manage.py, a shell, a database prompt, the logs."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import click

from .command import check_rehearsal, complete_host, environment_argument, rehearsal_option, rest_of, stop, verb
from .project import PROJECT, inventory_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from plugins.plugin_utils.connection.target import Target

GROUP = "On a machine"
#: Django's own names for what `createsuperuser --noinput` is told
ALWAYS_PASSED = "DJANGO_SUPERUSER_"
#: Root's alone; what is in it is gone when the command ends, and at the latest with the next boot
KEEP = 'umask 077; file=$(mktemp /run/samestack-manage.XXXXXXXX) && cat > "$file" && echo "$file"'


def machine_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a verb its environment, the stand-ins and the choice of a host."""
    host = click.option(
        "--host", metavar="HOST", default="", shell_complete=complete_host, help="A machine other than the first one."
    )
    wrapped: Callable[..., None] = environment_argument()(rehearsal_option(host(function)))
    return wrapped


@verb(
    "manage",
    group=GROUP,
    example=[
        "samestack manage dev -- createsuperuser",
        "samestack manage production -- dumpdata auth > auth.json",
        "samestack manage staging --pass-env TOKEN -- import_feed",
    ],
    page="manage-shell-logs",
    rest="COMMAND…",
)
@machine_options
@click.option("-c", "--command", metavar="TEXT", default="", help="The command as one string.")
@click.option("--pass-env", metavar="NAME", multiple=True, help="An environment variable to pass on (may be repeated).")
@click.pass_context
def manage(
    ctx: click.Context, environment: str, rehearsal: bool, host: str, command: str, pass_env: tuple[str, ...]
) -> None:
    """Run a manage.py command of the live release, in the application's own environment."""
    words = rest_of(ctx)
    if command:
        try:
            words = [*shlex.split(command), *words]
        except ValueError as error:
            raise click.UsageError(f"--command: {error}: {command}") from None
    if not words:
        raise click.UsageError("there is no command. Write it after `--`: samestack manage dev -- createsuperuser")
    if missing := [name for name in pass_env if name not in os.environ]:
        raise click.UsageError(f"--pass-env {missing[0]}: this variable is not set here.")
    travelling = {name: text for name, text in os.environ.items() if name in pass_env or name.startswith(ALWAYS_PASSED)}
    place = Place(environment, rehearsal=rehearsal, host=host)
    remote = ["sudo", f"/usr/local/bin/{place.variables['app_name']}-manage"]
    if travelling:
        remote.append(f"--environment-file={place.keep(travelling)}")
    place.become([*remote, *words])


@verb(
    "app-test",
    group=GROUP,
    example=["samestack app-test", "samestack app-test -- board.tests.test_pages --failfast"],
    page="development",
    rest="WORDS FOR THE COMMAND…",
)
@click.pass_context
def app_test(ctx: click.Context) -> None:
    """Run the project's tests in dev: app_test_command, with a database of their own."""
    place = Place("dev")
    if not place.variables["app_live_path"]:
        stop(
            'app_live_path = "": dev serves releases, and its database is not for tests. Set app_live_path in '
            "inventories/group_vars/dev/differences.yml; releases are tested by app_test_commands (docs/ci.md)."
        )
    program = f"/usr/local/bin/{place.variables['app_name']}-manage"
    place.become(["sudo", program, "--tests", str(place.variables["app_test_command"]), *rest_of(ctx)])


@verb("shell", group=GROUP, example="samestack shell staging", page="manage-shell-logs")
@machine_options
def shell(environment: str, rehearsal: bool, host: str) -> None:
    """Open a shell on the first machine."""
    Place(environment, rehearsal=rehearsal, host=host).become([])


@verb(
    "dbshell",
    group=GROUP,
    example=[
        "samestack dbshell staging",
        "samestack dbshell staging --as owner",
        'echo "select count(*) from auth_user" | samestack dbshell',
    ],
    page="manage-shell-logs",
)
@machine_options
@click.option(
    "--as",
    "role",
    type=click.Choice(["reader", "app", "owner"]),
    default="reader",
    help="The role: reads; changes rows, as the app does; changes tables, as migrations do.",
)
def dbshell(environment: str, rehearsal: bool, host: str, role: str) -> None:
    """Open a PostgreSQL prompt on the application's database, as a role that only reads, or as another one."""
    # Where the database is, wherever the application runs.
    place = Place(environment, "db", rehearsal=rehearsal, host=host)
    known = place.variables
    app = known["database_user"]
    user = {"app": app, "owner": known["database_owner"], "reader": f"{app}_reader"}[role]
    where = [f"--port={known['database_port']}", f"--dbname={known['database_name']}", f"--username={user}"]
    # As that role from the beginning: what a superuser puts on by SET ROLE, a function in a view takes off again.
    place.become(["sudo", "-u", "postgres", "psql", *where])


@verb(
    "logs",
    group=GROUP,
    example=["samestack logs", "samestack logs production --since 2h --grep KeyError", "samestack logs --only nginx"],
    page="manage-shell-logs",
)
@machine_options
@click.option("--grep", metavar="PATTERN", default="", help="Only lines with this in them (a regular expression).")
@click.option("--since", metavar="WHEN", default="", help="All since then (30m, 2h, yesterday, 2026-11-24T08:00).")
@click.option(
    "--only",
    metavar="NAME",
    multiple=True,
    help="Only app, web, worker-NAME, timer-NAME, nginx, postgresql, … (may be repeated).",
)
def logs(environment: str, rehearsal: bool, host: str, grep: str, since: str, only: tuple[str, ...]) -> None:
    """Follow the logs of the application and its services, on all machines."""
    from . import logs as follower

    place = Place(environment, rehearsal=rehearsal, host=host)
    known = place.variables
    app = str(known["app_name"])
    processes = [f"{kind}-{name}" for kind in ("worker", "timer") for name in known[f"app_{kind}s"] or {}]
    try:
        want = follower.wanted(only, grep, since, processes, str(known["machine_timezone"]))
    except follower.WantedError as problem:
        stop(str(problem))
    targets = {name: place.target(name) for name in ([host] if host else place.all_hosts)}
    remote = shlex.join(follower.remote_command(app, want))
    commands = {name: target.argv("", remote) for name, target in targets.items()}
    try:
        status = follower.follow(commands, app, lambda text: print(text, flush=True), want)
    except (KeyboardInterrupt, BrokenPipeError):
        # Nothing more can be said to a reader that has gone.
        sys.stdout = None
        status = 0
    sys.exit(status)


class Place:
    """A machine of an environment, and how ssh reaches it."""

    WANTED = (
        "app_name", "app_workers", "app_timers", "machine_timezone", "database_name", "database_port", "database_user",
        "database_owner", "app_domains", "app_mail_domain", "app_live_path", "app_debugger", "app_test_command",
    )  # fmt: skip

    def __init__(self, environment: str, function: str = "web", *, rehearsal: bool = False, host: str = "") -> None:
        """Take the first machine with a function, else the first there is, or the one that is named."""
        check_rehearsal(environment, rehearsal=rehearsal)
        from box.common import SetupError
        from box.resolve import Inventory

        os.chdir(PROJECT)
        file = inventory_of(environment, rehearsal=rehearsal)
        try:
            self._inventory = Inventory(file)
            self.all_hosts = self._inventory.hosts(environment)
            hosts = [host] if host else self._inventory.hosts(f"{environment}:&{function}") or self.all_hosts
            if not hosts:
                stop(f"{environment} (in {file}): there is no host in it. Add one under `hosts:`.")
            self.host = hosts[0]
            self.variables: Mapping[str, Any] = self._inventory.variables(self.host, *self.WANTED)
        except SetupError as problem:
            stop(str(problem))

    def target(self, host: str = "") -> Target:
        """Return how ssh reaches a machine of the environment."""
        from plugins.plugin_utils.connection.target import Target

        return Target.of(self._inventory.variables(host) if host else self.variables, host or self.host)

    def keep(self, variables: Mapping[str, str]) -> str:
        """Put variables where root alone can read them on the machine; returns the file.

        They go by standard input: an argument could be read by everybody there.
        """
        from plugins.filter.systemd import systemd_environment

        command = self.target().argv("", shlex.join(["sudo", "sh", "-c", KEEP]))
        done = subprocess.run(
            command, input=systemd_environment(variables), stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode:
            sys.exit(done.returncode)
        return done.stdout.strip()

    def said(self, remote: list[str], text: str = "") -> str:
        """Return what a command there says, "" where it cannot be asked."""
        command = self.target().argv("", shlex.join(remote))
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False).stdout

    def must_say(self, remote: list[str]) -> str:
        """Return what a command there says; one that fails has said why, and is the end of this program."""
        command = self.target().argv("", shlex.join(remote))
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
        if done.returncode:
            sys.exit(done.returncode)
        return done.stdout.decode(errors="replace")

    def write(self, remote: list[str], stream: BinaryIO) -> int:
        """Write what a command there prints to a file; returns its exit code."""
        command = self.target().argv("", shlex.join(remote))
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=stream, check=False).returncode

    def become(self, remote: list[str]) -> NoReturn:
        """Go on as ssh, with a terminal only where both ends are one: a file or a pipe gets the bytes as they are."""
        terminal = sys.stdin.isatty() and (sys.stdout.isatty() or not remote)
        command = self.target().argv("", shlex.join(remote), terminal=terminal)
        os.execvp(command[0], command)


VERBS = (manage, app_test, shell, dbshell, logs)
