"""The page of the command, docs/cli.md, made of what the command says of itself; docs/reference.py writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.__main__ import command
from cli.command import EPILOG, Verb

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).resolve().parent / "cli.md"
HEAD = """# The command

<!-- Written by `.venv/bin/python -m docs.reference`. Change cli/ instead. -->

`./samestack VERB [ENVIRONMENT] [options]`, in a project (what `init` wrote, or a clone) or anywhere below it. The
environment is dev, staging or production, and dev if you leave it out. `./samestack --help` lists the verbs;
`./samestack deploy --help` shows one verb with examples. If you link it into a folder of your PATH
(`ln -s "$PWD/samestack" ~/.local/bin/`), type `samestack`; it works on the project of the current folder.

What you type is data: no message, branch or command is read by a shell or as a template. If a verb runs a playbook,
anything after `--` goes to Ansible: `./samestack provision staging -- --tags nginx`. `make` has a target for each verb:
`make deploy ENV=staging REF=v1.2`.

For completion, add to `~/.bashrc`: `eval "$(samestack completion bash)"`; to `~/.zshrc`:
`eval "$(samestack completion zsh)"`; for fish, run once:
`samestack completion fish > ~/.config/fish/completions/samestack.fish`.

"""


def codes() -> Iterator[str]:
    """Yield the table of exit codes."""
    yield "| exit code | |"
    yield "|---|---|"
    for line in EPILOG.splitlines()[2:7]:
        code, _, text = line.strip().partition(" ")
        yield f"| {code} | {text.strip()} |"
    yield ""
    yield EPILOG.splitlines()[7]


def rows(verb: Verb) -> Iterator[str]:
    """Yield a verb's options, a row each; those that all of them share are described once."""
    for parameter in verb.params:
        if isinstance(parameter, click.Option):
            names = ", ".join(parameter.opts + parameter.secondary_opts)
            value = "" if parameter.is_flag or parameter.count else f" {parameter.make_metavar(click.Context(verb))}"
            yield f"| `{names}{value}` | {parameter.help} |"


def page() -> str:
    """Return the whole page."""
    lines = [*codes()]
    groups: dict[str, list[Verb]] = {}
    for verb in command().commands.values():
        if isinstance(verb, Verb):
            groups.setdefault(verb.group, []).append(verb)
    for title, verbs in groups.items():
        lines += ["", f"## {title}"]
        for verb in verbs:
            more = f" [More]({verb.page}.md)" if verb.page and verb.page != "cli" else ""
            lines += ["", f"### {verb.name}", "", f"{(verb.help or '').strip()}{more}", "", "```sh"]
            lines += [line.replace("samestack ", "./samestack ", 1) if "completion" not in line else line
                      for line in verb.examples]  # fmt: skip
            lines.append("```")
            if options := list(rows(verb)):
                lines += ["", "| option | |", "|---|---|", *options]
    return HEAD + "\n".join(lines) + "\n"
