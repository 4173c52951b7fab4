"""Renders variants of the stack for the supported releases, and writes them as trees for `accept.py`."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader

from plugins.plugin_utils.secrets.authority import issue, parse_authority
from tests.support.examples import examples, write_example
from tests.support.expected import CERTIFICATE_AUTHORITY, Expected, Site

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = ("dev", "staging", "production")
#: What the units expect on a host, and a release brings.
STUBS = (
    "/srv/{app}/releases/r1/venv/bin/gunicorn", "/srv/{app}/releases/r1/venv/bin/granian", "/usr/bin/rclone",
    "/usr/bin/stunnel4",
)  # fmt: skip


def load(name: str) -> dict[str, Any]:
    """Return the entries of a YAML file of this folder; keys that start with a dot are for anchors only."""
    data: dict[str, Any] = DataLoader().load_from_file(str(HERE / name), trusted_as_template=True)
    return {key: value for key, value in data.items() if not key.startswith(".")}


RELEASES = load("machines.yml")
VARIANTS = load("variants.yml")


class Renderer:
    """Renders variants for releases; inventories are copied into `folder`, which also takes the certificates."""

    def __init__(self, folder: Path) -> None:
        self._site = Site()
        self._folder = folder
        self._numbers = itertools.count()
        pair = issue(["provided.example.com"], parse_authority(**CERTIFICATE_AUTHORITY))
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in (("provided.crt", pair["certificate"]), ("provided.key", pair["key"])):
            (folder / name).write_text(text, encoding="ascii")
        for path, text in examples("own-files.md").items():
            write_example(folder / "own_files", path, text)
        write_example(folder / "own_files", "systemd/timer-tidy.conf", "[Service]\nNice=19\n")
        # The certificates of tests stay out of the project's own state, and of this computer's.
        lookup = lookup_loader.get("samestack.core.local_ca", class_only=True)
        sys.modules[lookup.__module__].STATE = folder / "certificates"
        sys.modules[lookup.__module__].COMPUTER = folder / "computer"

    def hosts(self, release: str, variant: str) -> list[Expected]:
        """Return what each host of the variant gets on this release."""
        data = VARIANTS[variant]
        extra = {
            "certificate_folder": str(self._folder),
            "own_files": str(self._folder / "own_files"),
            **data.get("vars", {}),
        }
        inventory, variables = self._site.inventory(self._inventory(data), extra)
        machine = {**RELEASES[release], **data.get("machine", {})}
        machine["packages"] = {**machine["packages"], **data.get("packages", {})}
        names = [host.name for host in inventory.get_hosts(data["limit"])]
        return [self._site.expected(inventory, variables, name, machine) for name in names]

    def _inventory(self, data: dict[str, Any]) -> Path:
        """Return an inventory like the repository's, with the variant's machines: one for all, if it names none."""
        original = self._site.root / "inventories" / f"{data['inventory']}.yml"
        folder = self._folder / f"inventory{next(self._numbers)}"
        shutil.copytree(original.parent, folder)
        groups = DataLoader().load_from_file(str(original))
        environment, own = data["limit"], data.get("hosts")
        one = {f"{environment}1": {"machine_address": "10.0.3.31"}}
        # Groups that an inventory need not have
        groups |= {name: {} for name in own or {} if name not in groups}
        for name, group in groups.items():
            if own:
                group["hosts"] = own.get(environment if name == "rehearsal" else name, {})
            else:
                group["hosts"] = {} if name in ENVIRONMENTS and name != environment else one
        if "decisions" in data:
            decisions = folder / "group_vars" / "all" / "app.yml"
            decisions.write_text(json.dumps(data["decisions"]), encoding="utf-8")
        copy = folder / original.name
        copy.write_text(json.dumps(groups), encoding="utf-8")
        return copy


def write_tree(expected: Expected, folder: Path) -> None:
    """Write a host's files, directories and links below a folder, as if it were `/`, for `accept.py`.

    Modes are kept, owners are not. What would be on the host before is added as far as programs look for it.
    """
    for path, entry in expected.entries.items():
        target = folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if entry["state"] == "directory":
            target.mkdir(exist_ok=True)
        elif entry["state"] == "link":
            target.symlink_to(entry["target"])
        elif entry["state"] == "file":
            target.write_bytes(base64.b64decode(entry["data"]))
            target.chmod(int(entry["mode"] or "0644", 8))
    app = expected.value("app_name")
    for stub in STUBS:
        target = folder / stub.format(app=app).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("#!/bin/sh\n", encoding="ascii")
        target.chmod(0o755)
    (folder / "accept.json").write_text(json.dumps(about(expected)), encoding="utf-8")


def about(expected: Expected) -> dict[str, Any]:
    """Return what `accept.py` has to know of this host."""
    app = expected.value("app_name")
    validations = [command for entry in expected.entries.values() for command in entry["validate"]]
    return {
        "accounts": [app, f"{app}-owner"],
        "nginx": expected.machine["packages"]["nginx"],
        "validate": list(dict.fromkeys(validations)),
        "units": [Path(path).name for path in expected.matching(r"/etc/systemd/system/[^/]+\.(service|timer|swap)")],
        "scripts": [path for path in expected.matching(".*") if expected.text(path).startswith("#!/bin/sh")],
        "postgresql": expected.matching(r"/etc/postgresql/.*/conf\.d/.*"),
    }
