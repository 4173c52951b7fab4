"""Secrets that are encrypted with SOPS (age, PGP, a cloud's keys) instead of ansible-vault.

The program does all of it. community.sops would load such files, but as variables of every run, past what is checked
here: that only the environment of the run is opened, and that nothing is missing.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import yaml

from ..errors import Problem, SecretError
from ..files import write_whole

PATIENCE = 60
#: What sops itself ends with where an editor left everything as it was
UNCHANGED = 200
GET = "Install it (https://getsops.io/docs/#download), or use ansible-vault for this file"


def is_sops(content: str) -> bool:
    """Tell whether a file's text is one that SOPS wrote: its keys are there, and `sops` says how it was encrypted."""
    try:
        values = yaml.safe_load(content)
    except yaml.YAMLError:
        return False
    about = values.get("sops") if isinstance(values, dict) else None
    return isinstance(about, dict) and {"mac", "version"} <= set(about)


def decrypted(path: Path, place: str) -> str:
    """Return the decrypted text of a file that is called `place`; raises SecretError."""
    return _sops(place, "--decrypt", "--input-type", "yaml", "--output-type", "yaml", str(path))


def write(path: Path, place: str, text: str) -> None:
    """Encrypt another text for those who could read the file until now, and put it there; raises SecretError.

    It goes to the program by standard input, as what an editor would leave.
    """
    memory = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix="samestack-secrets-", dir=memory if memory.is_dir() else None) as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(path.read_bytes())
        editor = {"EDITOR": "tee", "SOPS_EDITOR": "tee", "TMPDIR": folder}
        _sops(place, "--input-type", "yaml", "--output-type", "yaml", str(copy), text=text, environment=editor)
        write_whole(path, copy.read_bytes(), 0o600)


def rekey(path: Path, place: str) -> None:
    """Encrypt a file anew, with a new key, for those whom .sops.yaml names now; raises SecretError."""
    _sops(place, "updatekeys", "--yes", str(path))
    _sops(place, "--rotate", "--in-place", "--input-type", "yaml", "--output-type", "yaml", str(path))


def _sops(place: str, *arguments: str, text: str = "", environment: dict[str, str] | None = None) -> str:
    """Run the program and return what it printed; raises SecretError."""
    try:
        done = subprocess.run(
            ["sops", *arguments], input=text, capture_output=True, text=True, check=False, timeout=PATIENCE,
            env=os.environ | (environment or {}),
        )  # fmt: skip
    except FileNotFoundError:
        what = "the file is encrypted with SOPS, and there is no program `sops` on this computer"
        raise SecretError(Problem("secrets", place, what, GET)) from None
    except subprocess.TimeoutExpired:
        what = f"sops did not end within {PATIENCE} seconds"
        fix = f"Run `sops --decrypt {place}` by hand, and see what it waits for"
        raise SecretError(Problem("secrets", place, what, fix)) from None
    if done.returncode not in (0, UNCHANGED):
        said = " ".join(done.stderr.split())[-300:] or f"exit code {done.returncode}"
        fix = "Give it the key as its documentation has it (for age: SOPS_AGE_KEY_FILE), and see .sops.yaml"
        raise SecretError(Problem("secrets", place, f"sops failed: {said}", fix))
    return done.stdout
