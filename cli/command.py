"""What every verb shares: help with an example and a page, the environment, words behind `--`, and exit codes."""

from __future__ import annotations

import difflib
import sys
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NoReturn

import click

# It imports nothing but Python, so that help comes at once.
from plugins.plugin_utils.inventory.environment import ENVIRONMENTS

from .project import known_hosts, known_releases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from click.shell_completion import CompletionItem

REST = "samestack.rest"


class Exit(IntEnum):
    """The exit codes; `manage`, `shell` and `dbshell` leave with that of the command on the host."""

    DONE = 0
    #: It failed, or (parity) the environments do not match; the output says which
    FAILED = 1
    #: The command line is wrong: nothing was started
    USAGE = 2
    #: A machine cannot be reached
    UNREACHABLE = 3
    INTERRUPTED = 130


EPILOG = """\b
Exit codes
  0    done
  1    it failed, or (parity) the environments do not match
  2    the command line is wrong; nothing was started
  3    a machine cannot be reached
  130  interrupted
manage, shell and dbshell exit with the code of what ran on the machine. status: 0 well, 1 degraded, 2 down, or nobody
can say.

`samestack VERB --help` has examples. If a verb runs a playbook, anything after `--` goes to Ansible."""


class Samestack(click.Group):
    """The front door itself: verbs in groups, and the nearest one for a verb that does not exist."""

    def __init__(self) -> None:
        super().__init__(
            help="One set of roles builds the same Django machine on a laptop, on staging and in production.",
            epilog=EPILOG,
            no_args_is_help=True,
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs in groups, in the order in which they were added."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, verb in self.commands.items():
            if isinstance(verb, Verb):
                groups.setdefault(verb.group, []).append((name, verb.get_short_help_str(90)))
        for title, rows in groups.items():
            with formatter.section(title):
                formatter.write_dl(rows)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order in which they were added."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; one that does not exist is answered with the nearest."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            raise click.UsageError(unknown("verb", args[0], self.commands, "`samestack --help` lists them."), ctx)
        return super().resolve_command(ctx, args)


class Verb(click.Command):
    """A verb: its group in the help, an example, its page, and whether it takes words behind `--`."""

    def __init__(self, *, group: str, examples: Sequence[str], page: str, rest: str = "", **settings: Any) -> None:
        lines = ["\b", "Examples" if len(examples) > 1 else "Example", *(f"  {line}" for line in examples)]
        if page:
            lines += ["", f"More: docs/{page}.md"]
        super().__init__(epilog="\n".join(lines), **settings)
        self.group, self.examples, self.page, self.rest = group, examples, page, rest

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Return the pieces of the usage line."""
        return [*super().collect_usage_pieces(ctx), *([f"[-- {self.rest}]"] if self.rest else [])]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep what stands behind `--` exactly as it was typed."""
        if "--" in args:
            place = args.index("--")
            args, ctx.meta[REST] = args[:place], args[place + 1 :]
            if not self.rest and ctx.meta[REST] and not ctx.resilient_parsing:
                raise click.UsageError(f"{ctx.info_name} takes nothing after `--`.", ctx)
        return super().parse_args(ctx, args)


def verb(name: str, *, group: str, example: str | Sequence[str], page: str = "", rest: str = "") -> Callable[..., Any]:
    """Return a decorator that makes a verb of a function.

    Args:
        name: as it is typed.
        group: the heading of the help that it stands under.
        example: one command line, or several.
        page: the page below docs/ that says more, without its ending.
        rest: what the words behind `--` are, as the usage line calls them; without it there may be none.
    """
    examples = [example] if isinstance(example, str) else list(example)
    return click.command(name, cls=Verb, group=group, examples=examples, page=page, rest=rest)


def rest_of(ctx: click.Context) -> list[str]:
    """Return the words behind `--`, exactly as they were typed."""
    return list(ctx.meta.get(REST, []))


def unknown(kind: str, word: str, known: Iterable[str], otherwise: str) -> str:
    """Return the message for a word that is none of the known ones: the nearest, or what else to do."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"{word}: there is no such {kind}. " + (f"Did you mean `{near[0]}`?" if near else otherwise)


class Environment(click.ParamType[str]):
    """The name of an environment."""

    name = "environment"

    def __init__(self, names: Sequence[str] = ENVIRONMENTS) -> None:
        self.names = names

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name; one that does not exist is answered with the nearest."""
        if value not in self.names:
            self.fail(
                unknown("environment", str(value), self.names, f"Write one of: {', '.join(self.names)}"), param, ctx
            )
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin so."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in self.names if name.startswith(incomplete)]


class Release(click.ParamType[str]):
    """The id of a release. The machine knows which it keeps; this computer knows those that it has built or fetched."""

    name = "release"
    LENGTH, SHORTEST = 12, 4

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the id, completed where what was typed is the beginning of exactly one that is known here."""
        text = str(value).lower()
        known = known_releases()
        begun = [name for name in known if name.startswith(text)]
        if len(begun) == 1:
            return begun[0]
        if not self.SHORTEST <= len(text) <= self.LENGTH or set(text) - set("0123456789abcdef"):
            hint = f"An id is {self.LENGTH} digits of 0-9 and a-f, or how it begins. `samestack releases` lists them."
            self.fail(unknown("release", str(value), known, hint), param, ctx)
        # Not of this computer's making, perhaps: the machine knows.
        return text

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the known ids that begin so."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(name) for name in known_releases() if name.startswith(incomplete)]


def complete_host(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the hosts of the environment on the command line that begin so."""
    environment = ctx.params.get("environment") or "dev"
    names = known_hosts(environment, rehearsal=bool(ctx.params.get("rehearsal")))
    return [name for name in names if name.startswith(incomplete)]


def environment_argument(default: str = "dev") -> Callable[..., Any]:
    """Return the decorator for the environment, which may be left out."""
    return click.argument("environment", type=Environment(), default=default, required=False)


rehearsal_option = click.option(
    "--rehearsal", is_flag=True, help="Use the local stand-in of staging or production instead of the server."
)


def check_rehearsal(environment: str, *, rehearsal: bool) -> None:
    """Raise UsageError where a stand-in of dev is asked for."""
    if rehearsal and environment == "dev":
        raise click.UsageError("--rehearsal: dev is a local machine already. Write staging or production with it.")


def stop(text: str, code: int = Exit.FAILED) -> NoReturn:
    """Print an error and leave."""
    click.echo(text, err=True)
    sys.exit(code)
