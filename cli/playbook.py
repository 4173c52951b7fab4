"""Runs of ansible-playbook: the options that all such verbs share, and what a run's end means."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from .command import Exit, check_rehearsal, complete_host, environment_argument, rehearsal_option, rest_of, verb
from .project import ENGINE, PROJECT, inventory_of, left_out

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

#: Ansible's own exit codes (ansible/executor/task_queue_manager.py): a host was lost, alone or beside one that failed
UNREACHABLE = (4, 6)
#: … and Ctrl-C
STOPPED_BY_USER = 99
#: What a make above this program tells the makes below it
MAKES_OWN = ("MAKE", "MFLAGS", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES")


@dataclass(frozen=True)
class Run:
    """How a verb's playbooks are run: where, and with what of the options that all of them share."""

    environment: str
    rehearsal: bool = False
    options: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    limit: str = ""

    def arguments(self, playbook: str, *options: str, both: bool = False, **variables: Any) -> list[str]:
        """Return the command line for a playbook of ours.

        Args:
            playbook: its name in playbooks/, without the ending.
            options: Ansible's own, beside those that were typed.
            both: staging and production together, for what concerns both.
            variables: for this playbook; empty ones are left out.
        """
        check_files()
        inventories = ["staging", "production"] if both and not self.rehearsal else [self.environment]
        files = dict.fromkeys(inventory_of(name, rehearsal=self.rehearsal) for name in inventories)
        command = [str(ENGINE / ".venv/bin/ansible-playbook"), *(word for file in files for word in ("-i", file))]
        # All stand-ins are in one inventory.
        stand_in = self.environment if self.rehearsal and not both else ""
        unmade = left_out() if self.rehearsal and stand_in != "staging" else []
        if (limit := self.limit or stand_in) or unmade:
            chosen = f"{stand_in}:&{limit}" if stand_in and limit != stand_in else limit or "all"
            command += ["--limit", ":".join([chosen, *(f"!{name}" for name in unmade)])]
        given = {name: value for name, value in {**self.variables, **variables}.items() if value not in ("", None, [])}
        if given:
            command += ["-e", as_extra_vars(given)]
        return [*command, str(ENGINE / "playbooks" / f"{playbook}.yml"), *options, *self.options]

    def play(self, playbook: str, *options: str, both: bool = False, **variables: Any) -> None:
        """Run a playbook in the foreground; a run that fails is the end of this program, with the right exit code."""
        status = run(self.arguments(playbook, *options, both=both, **variables))
        if status:
            sys.exit(status)

    def lines(self, playbook: str, begin: str, **variables: Any) -> list[str]:
        """Run a playbook and return its lines that begin so, for programs; a run that fails ends this one."""
        done = subprocess.run(
            self.arguments(playbook, **variables), cwd=PROJECT, env=environment() | {"NO_COLOR": "1"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace", check=False,
        )  # fmt: skip
        if done.returncode:
            click.echo(done.stdout, err=True, nl=False)
            sys.exit(meaning(done.returncode))
        # With several machines, whose word it is stands before it.
        lines = (re.sub(rf"^[\w.-]+: (?={re.escape(begin)})", "", line) for line in done.stdout.splitlines())
        return [line for line in lines if line.startswith(begin)]


def check_files() -> None:
    """End this program where a file of the inventory is no YAML: Ansible would say so of one, and not which rule."""
    from plugins.plugin_utils.inventory.files import unreadable

    problems = unreadable(PROJECT / "inventories", PROJECT)
    for problem in problems:
        click.echo(f"{problem}", err=True)
    if problems:
        sys.exit(Exit.FAILED)


def as_extra_vars(variables: Mapping[str, Any]) -> str:
    """Return extra-vars whose texts reach Ansible as they were typed: no template, no number, no date."""
    pairs = (f"{json.dumps(name)}: {as_yaml(value)}" for name, value in variables.items())
    return "{" + ", ".join(pairs) + "}"


def as_yaml(value: Any) -> str:
    """Return a value as YAML in one line; every text in it that could be a template is marked as none (`!unsafe`)."""
    if isinstance(value, str):
        # JSON's escapes are YAML's, but for its pairs beyond the basic plane. YAML folds or refuses some other letters.
        text = json.dumps(value, ensure_ascii=False)
        text = re.sub(r"[^ -~]", lambda found: f"\\U{ord(found[0]):08x}", text)
        # Only those: Ansible reads what is marked as if it had no quotes, and "0720" would be the number 464.
        return f"!unsafe {text}" if "{" in value else text
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(as_yaml(item) for item in value) + "]"
    return json.dumps(value)


def environment() -> dict[str, str]:
    """Return the environment of what is started: without what a make above this program says to its like.

    What is started knows whose project it works on, however it looks for it.
    """
    own = {name: text for name, text in os.environ.items() if name not in MAKES_OWN}
    return own | {"SAMESTACK_PROJECT": str(PROJECT)}


def run(command: Sequence[str]) -> int:
    """Run a command in the foreground, in the project's folder; returns the exit code that it means here.

    Ctrl-C reaches it by the terminal, and it ends as it sees fit; a SIGTERM is passed on.
    """
    process = subprocess.Popen(command, cwd=PROJECT, env=environment())
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda number, _: process.send_signal(number))
    try:
        return meaning(process.wait())
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def meaning(status: int) -> int:
    """Return our exit code for one of Ansible's, or for the signal that ended it."""
    if status < 0:
        return 128 - status
    if status == STOPPED_BY_USER:
        return Exit.INTERRUPTED
    if status == Exit.DONE:
        return Exit.DONE
    return Exit.UNREACHABLE if status in UNREACHABLE else Exit.FAILED


def playbook_options(*, default: str = "dev", chosen: bool = True, waits: bool = False) -> Callable[..., Any]:
    """Return the decorator that gives a verb the shared options, and its function a `Run` named `on`.

    Args:
        default: the environment, where none is typed.
        chosen: whether it can be typed at all.
        waits: whether it takes the environment's lock, and can be told to wait for it.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @click.pass_context
        def call(
            ctx: click.Context, /, *, rehearsal: bool, check: bool, diff: bool, verbose: int, limit: str, **rest: Any
        ) -> None:
            where = rest.pop("environment", default)
            check_rehearsal(where, rehearsal=rehearsal)
            options = [*(["--check"] if check else []), *(["--diff"] if diff else [])]
            options += ["-" + "v" * verbose] if verbose else []
            variables = {"lock_wait": rest.pop("lock_wait", "")}
            if rest.pop("allow_older_engine", False):
                variables["preflight_allow_older_engine"] = True
            on = Run(where, rehearsal, (*options, *rest_of(ctx)), variables, limit)
            function(on=on, **rest)

        decorators = [
            *([environment_argument(default)] if chosen else []),
            rehearsal_option,
            click.option("--check", is_flag=True, help="Only show what would be done."),
            click.option("--diff", is_flag=True, help="Show the lines that change."),
            click.option("-v", "verbose", count=True, help="Show Ansible's own output (-vv, -vvv: more of it)."),
            click.option("--limit", metavar="HOST", default="", shell_complete=complete_host, help="Only these hosts."),
        ]
        if waits:
            text = "How long to wait while another run is in progress, for example 10m."
            decorators.append(click.option("--lock-wait", metavar="TIME", default="", help=text))
            text = "Also where a later Samestack has been at work (docs/update.md)."
            decorators.append(click.option("--allow-older-engine", is_flag=True, help=text))
        call.__doc__ = function.__doc__
        wrapped: Callable[..., None] = call
        wrapped.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
        for decorator in reversed(decorators):
            wrapped = decorator(wrapped)
        return wrapped

    return decorate


def played(
    name: str, *, group: str, example: str | Sequence[str], page: str, default: str = "dev", chosen: bool = True,
    waits: bool = False,
) -> Callable[..., Any]:  # fmt: skip
    """Return a decorator that makes a verb of a function that runs playbooks: see `verb` and `playbook_options`."""

    def decorate(function: Callable[..., None]) -> Any:
        options = playbook_options(default=default, chosen=chosen, waits=waits)
        return verb(name, group=group, example=example, page=page, rest="ANSIBLE OPTIONS")(options(function))

    return decorate
