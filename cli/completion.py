"""Completion: what a shell has to load."""

from __future__ import annotations

import click

from .command import verb


@verb(
    "completion",
    group="This repository",
    example=[
        'eval "$(samestack completion bash)"',
        "samestack completion fish > ~/.config/fish/completions/samestack.fish",
    ],
    page="cli",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a shell's completion script: verbs, options, environments, releases and hosts."""
    from click.shell_completion import get_completion_class

    maker = get_completion_class(shell)
    root = ctx.find_root()
    if maker is None or ctx.parent is None:
        raise click.UsageError(f"{shell}: there is no completion for it.")
    click.echo(maker(root.command, {}, "samestack", "_SAMESTACK_COMPLETE").source())


VERBS = (completion,)
