"""The part of an inventory that is Samestack's own: defaults of decisions, and the roles' variables made of them."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from ansible import constants

from ..errors import Problem
from ..project_root import ENGINE

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Whose variables an inventory gets, the weakest first (ansible.cfg)
ORDER = ["samestack.core.defaults", "host_group_vars"]

#: What `ansible-galaxy collection install` leaves behind, with the digest of every file
CONTENTS = "FILES.json"
FOLDERS = ("defaults", "wiring")


def default_files() -> list[Path]:
    """Return the files with the default of every decision."""
    return [*sorted((ENGINE / "defaults").glob("*.yml")), *sorted(ENGINE.glob("roles/*/meta/decisions.yml"))]


def wiring_files() -> list[Path]:
    """Return the files in which decisions become the roles' variables: the only ones that know two roles at once."""
    return [*sorted((ENGINE / "wiring").glob("*.yml")), *service_files()]


def service_files() -> list[Path]:
    """Return the files in which services say what they are."""
    return sorted(ENGINE.glob("roles/*/meta/service.yml"))


def service_names() -> list[str]:
    """Return the names of the services: those of their roles."""
    return [file.parents[1].name for file in service_files()]


def order_problems() -> Iterator[Problem]:
    """Yield what is wrong where ansible.cfg does not give an inventory our defaults below its own files."""
    enabled = list(constants.VARIABLE_PLUGINS_ENABLED)
    if enabled[: len(ORDER)] != ORDER:
        place = Path(constants.CONFIG_FILE or "ansible.cfg").name
        what = "what you did not decide would have no value, or a default would win over what you decided"
        fix = f"Write vars_plugins_enabled = {', '.join(ORDER)} under [defaults]"
        yield Problem("vars_plugins_enabled", place, what, fix, ", ".join(enabled))


def edited_files(engine: Path = ENGINE) -> list[str]:
    """Return those of the files that somebody changed, relative to `engine`, as far as git or the installer knows."""
    if (engine / CONTENTS).is_file():
        listed = json.loads((engine / CONTENTS).read_text(encoding="utf-8"))["files"]
        known = {file["name"]: file["chksum_sha256"] for file in listed}
        found = [file for folder in FOLDERS for file in sorted((engine / folder).glob("*.yml"))]
        digests = {str(file.relative_to(engine)): hashlib.sha256(file.read_bytes()).hexdigest() for file in found}
        return [name for name, digest in digests.items() if known.get(name) != digest]
    command = ["git", "-C", str(engine), "status", "--porcelain", "--no-renames", "--", *FOLDERS]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError:
        return []
    return [line[3:] for line in done.stdout.splitlines()] if done.returncode == 0 else []
