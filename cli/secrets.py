"""The secrets of an environment."""

from __future__ import annotations

import json
from dataclasses import replace

import click

from .command import rehearsal_option, rest_of, stop, unknown, verb
from .playbook import Run, played

GROUP = "Secrets"
#: No secret goes through this role; role host records the new keys by which the machine knows its environment.
OTHERS = "nginx"
#: What nobody can make up here: a package index gives it out.
INDEX = "index"


@played(
    "secrets",
    group=GROUP,
    example=["samestack secrets staging", "samestack secrets staging --edit"],
    page="secrets",
)
@click.option("--edit", is_flag=True, help="Open them in your editor.")
def secrets(on: Run, edit: bool) -> None:
    """Create the encrypted secrets of an environment, and show how old they are."""
    if edit:
        from .secret_editor import edit_secrets

        edit_secrets(on)
    on.play("secrets")


@played(
    "rotate",
    group=GROUP,
    example=["samestack rotate staging database", "samestack rotate production all"],
    page="secrets",
    waits=True,
)
@click.argument("what")
@click.option("--finish", is_flag=True, help="Refuse the previous secret key now; people log in anew.")
@click.option("--name", metavar="NAME", default="", help="Which package index, where there are several.")
@click.option("--pass-env", metavar="NAME", default="", help="The variable with the new password of a package index.")
def rotate(on: Run, what: str, finish: bool, name: str, pass_env: str) -> None:
    """Give secrets new values while everything serves: app_key, ca, index, database or another service's, or all."""
    from plugins.plugin_utils.secrets.rotation import kinds

    known = list(kinds())
    if what not in (*known, INDEX, "all"):
        choices = [*known, INDEX]
        raise click.UsageError(unknown("secret", what, choices, f"Write one of: {', '.join(choices)}, all"))
    if on.limit:
        raise click.UsageError("--limit: a machine that is left out would be cut off. Rotate without it.")
    if what != INDEX and (name or pass_env):
        raise click.UsageError("--name and --pass-env are about the password of a package index: `rotate ENV index`.")
    from .package_index import declared, rotate_index

    if what == INDEX:
        rotate_index(on, name, pass_env)
        return
    if what == "all" and declared(on):
        click.echo(f"A package index gives out its own passwords: `./samestack rotate {on.environment} {INDEX}`.")
    rotate_kinds(on, known if what == "all" else [what], finish=finish)


def rotate_kinds(on: Run, remaining: list[str], *, finish: bool) -> None:
    """Take one step of a rotation after the other, and bring the machines up to date after each."""
    applied = False
    while remaining:
        found = replace(on, options=quiet(on.options)).lines(
            "rotate", "{", rotate_kinds=remaining, rotate_applied=applied, rotate_finish=finish
        )
        if not found:
            stop("rotate: the step did not say what it was. Run this again with `-- -v`.")
        step = json.loads(found[0])
        for line in step["say"]:
            click.echo(f"{line}.")
        remaining = step["remaining"]
        if "--check" in on.options or not step["apply"]:
            return
        on.play("site", "--skip-tags", OTHERS)
        applied = True


def quiet(options: tuple[str, ...]) -> tuple[str, ...]:
    """Return options without those that change what a run prints."""
    return tuple(option for option in options if option != "--diff" and not option.startswith("-v"))


@verb(
    "revoke",
    group=GROUP,
    example=["samestack revoke SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", "samestack revoke ada-laptop.pub"],
    page="secrets",
    rest="ANSIBLE OPTIONS",
)
@click.argument("key")
@rehearsal_option
@click.option("--check", is_flag=True, help="Only show which accounts have the key.")
@click.option("--finish", is_flag=True, help="Refuse the previous secret key at once; people log in anew.")
@click.pass_context
def revoke(ctx: click.Context, key: str, rehearsal: bool, check: bool, finish: bool) -> None:
    """Shut out a lost laptop: its ssh key, the vault passwords, and every secret that it could read."""
    from .revocation import revoke_key

    revoke_key(key, tuple(rest_of(ctx)), rehearsal=rehearsal, check=check, finish=finish)


VERBS = (secrets, rotate, revoke)
