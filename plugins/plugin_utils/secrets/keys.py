"""The secrets of an environment: which there must be, where they are kept, and how new ones come about.

Development and rehearsal keep theirs in `.samestack/secrets/`, made on first use. Staging and production keep them
encrypted in `inventories/vault/`. Runs on the control node.
"""

from __future__ import annotations

import re
import secrets
import stat
from typing import TYPE_CHECKING, Any

import yaml

from ..files import write_whole
from ..inventory.defaults import default_files, wiring_files
from ..inventory.environment import REHEARSAL
from ..inventory.files import Setting, label, read_settings, variable_files
from ..project_root import ENGINE
from . import dates
from .acme_account import new_account_key
from .authority import authority_pem, new_authority

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

REFERENCE = re.compile(r"\bvault_[a-z0-9_]+")
# While one value takes the place of another, both are accepted: rotation.py. Nobody has to have them.
PASSING = re.compile(r"^vault_\w+_(next|previous)$")
# Which of two roles logs in over the network: the one with this behind its name. No secret, and nothing that has to be.
LOGIN = "vault_database_login"
# `vault_x_certificate` and `vault_x_key` are an authority.
CERTIFICATE, KEY = "_certificate", "_key"
# `vault_x_account_key` is the key of an account at an ACME authority.
ACCOUNT_KEY = "_account_key"
# 48 bytes are 64 characters: more than Django's own 50-character keys, and safe in a URL.
SECRET_BYTES = 48
OWNER_ONLY = 0o700


def secret_file(folder: Path, environment: str, *, local: bool) -> Path:
    """Return the file with the secrets of an environment of the inventory in `folder`; `local`: of a local machine."""
    parent = folder.parent / ".samestack" / "secrets" if local else folder / "vault"
    return parent / f"{environment}.yml"


def password_file(folder: Path, environment: str) -> Path:
    """Return where the vault password is kept that `./samestack secrets` invented, if it did."""
    return folder.parent / ".samestack" / f"vault-password-{environment}"


def next_password_file(folder: Path, environment: str) -> Path:
    """Return where the next vault password is, from before anything is encrypted with it until it is the password."""
    kept = password_file(folder, environment)
    return kept.with_name(f"{kept.name}.next")


def references(files: Iterable[Path], root: Path) -> dict[str, str]:
    """Return the `vault_*` names that files use, and where each first does: `file:line`, relative to `root`."""
    found: dict[str, str] = {}
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            for name in REFERENCE.findall(line.split(" #")[0] if not line.lstrip().startswith("#") else ""):
                if name != LOGIN and not PASSING.match(name):
                    found.setdefault(name, f"{label(file, root)}:{number}")
    return found


def needed_secrets(folder: Path) -> dict[str, str]:
    """Return every `vault_*` name that the inventory in `folder` uses, and the `file:line` where it first does."""
    own, theirs = [*wiring_files(), *default_files()], [file for file, _, _ in variable_files(folder)]
    return references([*theirs, *sorted(folder.glob("*.y*ml"))], folder.parent) | references(own, ENGINE)


def invented_secrets() -> set[str]:
    """Return the names whose values Samestack may invent: its own. What others issued, people must write down."""
    return set(references(wiring_files(), ENGINE))


def written_secrets(folder: Path, environment: str) -> set[str]:
    """Return the `vault_*` names that the inventory's own files give harmless values on local machines."""
    return {one.name for one in _local_settings(folder, environment) if REFERENCE.fullmatch(one.name)}


def secrets_of_application(folder: Path, environment: str) -> set[str]:
    """Return the names whose values the application is given on local machines, and nobody else: `app_secret_env`."""
    given = [one.value for one in _local_settings(folder, environment) if one.name == "app_secret_env"]
    texts = [str(text) for value in given if isinstance(value, dict) for text in value.values()]
    return {name for text in texts for name in REFERENCE.findall(text)} - {LOGIN}


def _local_settings(folder: Path, environment: str) -> list[Setting]:
    """Return what the inventory's own files set for all environments and for the local machines of this one."""
    owners = {environment, *([REHEARSAL] if environment != "dev" else [])}
    return [one for one in read_settings(folder, folder.parent)[0] if one.kind == "all" or one.owner in owners]


def read_secrets(text: str) -> dict[str, Any]:
    """Return the secrets in the text of a file; raises ValueError, without quoting the text, where it is none."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError:
        # The parser's own message would show the line with the secret in it.
        raise ValueError("holds no YAML") from None
    if values is not None and not isinstance(values, dict):
        raise ValueError("holds no lines of `name: value`")
    return values or {}


def missing_secrets(values: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Return the names that have no value, sorted."""
    return sorted(name for name in names if values.get(name) in (None, ""))


def twin(name: str) -> str:
    """Return the name of the key that belongs to a certificate's name, or nothing."""
    return name.removesuffix(CERTIFICATE) + KEY if name.endswith(CERTIFICATE) else ""


def names_to_invent(values: Mapping[str, Any]) -> list[str]:
    """Return the names that have no value and may get one here.

    An authority is a certificate and its key: where one of the two is left, a new other one would not fit it.
    """
    own = invented_secrets()
    lacking = set(missing_secrets(values, own))
    pairs = [{name, twin(name)} for name in own if twin(name) in own]
    halves = set().union(*(pair for pair in pairs if len(pair & lacking) == 1))
    return sorted(lacking - halves)


def new_values(names: Iterable[str]) -> dict[str, str]:
    """Return a new value for each name.

    Values are random; a certificate beside its key is a new authority, and an account's key is a key.
    """
    names = list(names)
    values = {
        name: new_account_key() if name.endswith(ACCOUNT_KEY) else secrets.token_urlsafe(SECRET_BYTES) for name in names
    }
    for name in names:
        if twin(name) in values:
            pem = authority_pem(new_authority("Samestack internal authority"))
            values |= {name: pem["certificate"], twin(name): pem["key"]}
    return values


def with_values(text: str, changes: Mapping[str, str | None]) -> str:
    """Return the text of a file of secrets in which some have another value, or (None) are gone.

    What people wrote between them stays. Raises ValueError where the text cannot be understood.
    """
    read_secrets(text)
    node = yaml.compose(text, yaml.SafeLoader)
    lines = text.splitlines(keepends=True)
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    if isinstance(node, yaml.MappingNode) and node.flow_style:
        lines = [_line(str(key), value) for key, value in read_secrets(text).items() if key not in changes]
        pairs = []
    for key, value in reversed(pairs):
        if key.value in changes:
            end = value.end_mark
            del lines[key.start_mark.line : end.line + bool(end.column)]
    text = "".join(lines) or "---\n"
    added = "".join(_line(name, value) for name, value in changes.items() if value is not None)
    return text + ("" if text.endswith("\n") else "\n") + added


def _line(name: str, value: object) -> str:
    """Return the YAML of one secret; several lines become a block."""
    text = value if isinstance(value, str) else ""
    if text.count("\n") > 1 and text.endswith("\n") and re.fullmatch(r"(?:[!-~][ -~]*\n)+", text):
        return f"{name}: |\n" + "".join(f"  {line}\n" for line in text.splitlines())
    return str(yaml.safe_dump({name: value}, allow_unicode=True, width=1 << 20))


def is_readable_by_others(path: Path) -> bool:
    """Tell whether anyone but the owner may read a file."""
    return bool(stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO))


def local_secrets(folder: Path, environment: str) -> dict[str, Any]:
    """Return the secrets of a local environment; what this project may invent is made where it is missing.

    So is what the application alone is given: nobody has issued anything for a local machine. Raises ValueError where
    the file cannot be understood.
    """
    path = secret_file(folder, environment, local=True)
    path.parent.mkdir(mode=OWNER_ONLY, parents=True, exist_ok=True)
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    values = read_secrets(text)
    theirs = secrets_of_application(folder, environment) - invented_secrets() - written_secrets(folder, environment)
    if lacking := [*names_to_invent(values), *missing_secrets(values, theirs)]:
        text = with_values(text, new_values(lacking))
        write_whole(path, text, 0o600)
        values = read_secrets(text)
        dates.write(path, values, dict.fromkeys(lacking, dates.today()))
    return values
