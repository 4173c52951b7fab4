"""A lost laptop is shut out of staging and production: its ssh key, the vault passwords, the secrets behind them."""

from __future__ import annotations

import contextlib
import json
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plugins.plugin_utils.connection.bootstrap import fingerprint as fingerprint_of
from plugins.plugin_utils.errors import SamestackError
from plugins.plugin_utils.files import write_whole
from plugins.plugin_utils.inventory.files import label, read_settings
from plugins.plugin_utils.inventory.laws import PEOPLE
from plugins.plugin_utils.inventory.public_keys import read_key
from plugins.plugin_utils.secrets.keys import LOGIN, PASSING
from plugins.plugin_utils.secrets.rotation import kinds, stage

from .command import stop
from .playbook import Run
from .project import PROJECT, known_hosts
from .secret_editor import opened
from .secrets import rotate_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
ENVIRONMENTS = ("staging", "production")


class Progress:
    """What is done of a revocation, kept until all of it is."""

    def __init__(self, fingerprint: str) -> None:
        """Read it."""
        name = fingerprint.removeprefix("SHA256:").replace("/", "_")
        self.path = PROJECT / ".samestack" / "revocations" / f"{name}.json"
        self.done: list[str] = json.loads(self.path.read_text(encoding="utf-8")) if self.path.is_file() else []

    def note(self, step: str) -> None:
        """Note that a step is done."""
        self.done.append(step)
        write_whole(self.path, json.dumps(self.done), 0o600)

    def end(self) -> None:
        """Forget all of it."""
        self.path.unlink(missing_ok=True)


def revoke_key(key: str, options: tuple[str, ...], *, rehearsal: bool, check: bool, finish: bool) -> None:
    """Shut a key's owner out of both environments; what was done before it was cut off is not done again."""
    fingerprint = named_key(key)
    if places := still_declared(fingerprint):
        stop(
            f"{fingerprint} is still declared in {' and '.join(places)}: the next provision would let it in again. "
            f"Take it out there ({PEOPLE}), and run this again."
        )
    options = (*(["--check"] if check else []), *options)
    runs = [Run(name, rehearsal, options) for name in ENVIRONMENTS if known_hosts(name, rehearsal=rehearsal)]
    if not runs:
        stop("Neither staging nor production has a host. Nothing was changed.")
    if check:
        for on in runs:
            on.play("revoke", revoke_fingerprint=fingerprint)
        return
    progress = Progress(fingerprint)
    try:
        for name, step in steps(runs, fingerprint, finish=finish):
            if name not in progress.done:
                step()
                progress.note(name)
        for on in runs:
            say_what_is_left(on)
    except (SamestackError, ValueError) as error:
        stop(f"{error}\nWhat was done stays done: run this again to go on.")
    progress.end()


def steps(runs: list[Run], fingerprint: str, *, finish: bool) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield the steps and their names: doors first, so that nobody looks on while what is behind them is changed."""
    for on in runs:
        yield f"key {on.environment}", partial(on.play, "revoke", revoke_fingerprint=fingerprint)
    for on in runs:
        yield f"vault {on.environment}", partial(rekey, on)
    for on in runs:
        yield f"begun {on.environment}", partial(finish_rotations, on)
        yield f"secrets {on.environment}", partial(rotate_kinds, on, list(kinds()), finish=finish)


def finish_rotations(on: Run) -> None:
    """Finish what was under way: a value that was on its way in when the laptop was lost is no new one."""
    values = opened(on).values
    if begun := [kind for kind in kinds() if stage(values, kind)]:
        rotate_kinds(on, begun, finish=True)


def named_key(key: str) -> str:
    """Return the fingerprint of a key: given as such, as a public key, or as the path of its file."""
    if FINGERPRINT.fullmatch(key):
        return key
    try:
        return fingerprint_of(key if " " in key.strip() else Path(key).expanduser().read_text(encoding="utf-8"))[0]
    except (OSError, ValueError):
        raise click.UsageError(
            f"{key}: this is no key. Write its fingerprint (SHA256:…, as `ssh-keygen -lf FILE` prints it; "
            "`./samestack parity staging` lists those that may log in), or the path of the public key."
        ) from None


def still_declared(fingerprint: str) -> list[str]:
    """Return where the inventory still has a key, as `file:line`."""
    found: list[str] = []
    for setting in read_settings(PROJECT / "inventories", PROJECT)[0]:
        if setting.name == PEOPLE and isinstance(setting.value, dict):
            found += [
                setting.place((name,)) for name, person in setting.value.items() if fingerprint in declared_keys(person)
            ]
    return list(dict.fromkeys(found))


def declared_keys(person: Any) -> list[str]:
    """Return the fingerprints of a person's keys; what is none is preflight's to report."""
    found = []
    for key in (person.get("keys") if isinstance(person, dict) else None) or []:
        with contextlib.suppress(ValueError):
            found.append(fingerprint_of(read_key(str(key), PROJECT))[0])
    return found


def rekey(on: Run) -> None:
    """Give an environment's encrypted file a new vault password."""
    file = opened(on)
    if file.local or not file.path.exists():
        return
    kept = file.rekey()
    if kept is None:
        click.echo(f"{file.place}: encrypted anew, for those alone whom .sops.yaml names.")
        return
    click.echo(
        f"{file.place}: it has a new vault password, which is in {label(kept, PROJECT)}. Put it into the password "
        "manager in place of the old one, also where CI and ANSIBLE_VAULT_PASSWORD_FILE get it."
    )


def say_what_is_left(on: Run) -> None:
    """Say which secrets others issued: nobody can replace them here."""
    file = opened(on)
    ours = {LOGIN, *(name for names in kinds().values() for name in names)}
    if theirs := sorted(name for name in file.values if name not in ours and not PASSING.match(name)):
        click.echo(
            f"{file.words}: have new ones issued for {', '.join(theirs)} (`./samestack secrets {file.words} --edit`, "
            f"`./samestack rotate {file.words} index`)."
        )
