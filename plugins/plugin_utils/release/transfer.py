"""Looks at hosts, brings releases from them into the store and from the store to them; what the two actions share."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ...module_utils.common.text import few
from ...module_utils.release.files.contents import DamageError
from ..errors import SamestackError
from ..project_root import project_root
from .answers import BUILD, DIGEST, PACKED, RELEASE, VENV, checked, has_shape
from .identity import platform_problem
from .run import current_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from .store import Store

STORE_LIMIT = 2 << 30
# One look, without Python on the host: a tenth of the time of a module.
LOOK = """
cd {root} 2>/dev/null || exit 0
echo "current $(readlink current)"
if [ -f releases/{release}/release.json ]; then
  echo "release $(sha256sum < releases/{release}/contents 2>/dev/null)"
fi
for list in venvs/*.contents; do
  if [ -f "$list" ]; then echo "venv $list $(sha256sum < "$list")"; fi
done
echo "free $(df -k --output=avail . | tail -n 1)"
echo "build $(tr -d '\\n' < current/build.json 2>/dev/null)"
"""


@dataclass
class Look:
    """What a host has: the live release and how it was built, the release in question, environments, free bytes."""

    current: str = ""
    complete: bool = False
    sha256: str = ""
    venvs: dict[str, str] = field(default_factory=dict)
    free: int = 0
    live: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Look:
        """Read what the look printed."""
        look = cls()
        for line in text.splitlines():
            word, _, rest = line.partition(" ")
            parts = rest.split()
            if word == "current" and parts:
                current = rest.rsplit("/", 1)[-1]
                look.current = current if has_shape(RELEASE, current) else ""
            elif word == "release":
                sha256 = parts[0] if parts else ""
                look.complete, look.sha256 = True, sha256 if has_shape(DIGEST, sha256) else ""
            elif word == "venv" and len(parts) > 1:
                vid = parts[0].removeprefix("venvs/").removesuffix(".contents")
                if has_shape(VENV, vid) and has_shape(DIGEST, parts[1]):
                    look.venvs[vid] = parts[1]
            elif word == "free" and parts and parts[0].isdecimal():
                look.free = int(parts[0][:18]) << 10
            elif word == "build" and rest:
                look.live = read(rest)
        return look


def read(text: str) -> dict[str, Any]:
    """Return what a host says of the build of a release, {} for anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if has_shape(BUILD, found) else {}


class Transfers(ActionBase):
    """An action that moves releases."""

    # Most runs end with the look: who moves something makes a temporary folder then.
    TRANSFERS_FILES = False

    @property
    def base(self) -> Path:
        """Return the project's folder."""
        return project_root()

    def arguments(self, task_vars: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the task's arguments, with the current run."""
        return {**self._task.args, "run": self._task.args.get("run") or current_run(task_vars)}

    def look(self, root: str, release: str) -> Look:
        """Look at what the host has."""
        command = LOOK.format(root=shlex.quote(root), release=shlex.quote(release))
        return Look.parse(self._low_level_execute_command(command)["stdout"])

    def module(self, name: str, args: Mapping[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Run a module of ours; its arguments stay out of the result, they hold passwords."""
        result: dict[str, Any] = self._execute_module(
            module_name=f"samestack.core.{name}", module_args=dict(args), task_vars=task_vars
        )
        result.pop("invocation", None)
        # These are ours to say: a host has no say in what others are told of it.
        result.pop("ansible_facts", None)
        return result

    def fetch(self, store: Store, args: Mapping[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """Bring the host's release into the store; returns the module's result."""
        folder = self._make_tmp_path()
        try:
            packed = self.module("release_ship", {**ship_args(args), "pack_to": folder, "run": {}}, task_vars)
            if not packed.get("failed"):
                self.keep(store, args, packed, folder)
        finally:
            self._remove_tmp_path(folder)
        return packed

    def keep(self, store: Store, args: Mapping[str, Any], packed: Mapping[str, Any], folder: str) -> None:
        """Fetch what a host has packed into a folder of its own, verified; raises AnsibleActionFail."""
        try:
            checked(PACKED, packed, f"release {args['release_id']} on this host")
        except SamestackError as error:
            raise AnsibleActionFail(str(error)) from error
        archives = [(store.venv(packed["vid"]), packed["venv_sha256"], "venv.tar.gz")] if packed["venv_packed"] else []
        archives.append((store.release(args["release_id"]), packed["sha256"], "release.tar.gz"))
        try:
            for path, sha256, name in archives:
                remote = self._connection._shell.join_path(folder, name)
                store.take(path, sha256, partial(self._connection.fetch_file, remote))
        except DamageError as error:
            raise AnsibleActionFail(f"Release {args['id']} was not taken from this host: {error}") from error
        store.trim(int(args.get("store_limit") or STORE_LIMIT), [path for path, _sha256, _name in archives])

    def mend(
        self, store: Store, args: Mapping[str, Any], look: Look, task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Have what somebody changed by hand of a release put back that the host kept, before it serves again.

        Where that cannot be done, it is refused; not so to whoever goes back, at night perhaps, and needs it.
        """
        if look.current == args["release_id"]:
            return {}
        args = {**args, "repair": True}
        asked = self.module("release_ship", ship_args(args), task_vars)
        if asked.get("failed") or not asked["changed"]:
            return asked
        release, by_hand = args["release_id"], few(asked["by_hand"])
        contents = store.holds(release, args.get("sha256") or look.sha256)
        if contents is None:
            why = f"its archive is not on this computer ({store.folder})"
        elif self._task.check_mode:
            return {"say": [f"Release {release} was changed on this host by hand, and is put back first: {by_hand}"]}
        else:
            try:
                result = self.push(store, {**args, "sha256": contents.sha256}, look, task_vars)
            except AnsibleActionFail as error:
                result = {"failed": True, "msg": str(error)}
            if not result.get("failed"):
                return {**result, "say": [f"What was changed of release {release} by hand was put back: {by_hand}"]}
            why = str(result["msg"])
        text = f"Release {release} was changed on this host by hand, and stays so: {by_hand}. Why: {why}"
        if self._task.check_mode or (args.get("run") or {}).get("verb") in ("rollback", "restore"):
            return {"say": [text]}
        hint = f"Take another commit, or go back to it as it is: ./samestack rollback --to {release}."
        return {"failed": True, "msg": text, "hint": hint}

    def push(
        self, store: Store, args: Mapping[str, Any], look: Look, task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Bring the store's release to the host; returns the module's result. Raises AnsibleActionFail."""
        release = args["release_id"]
        contents = store.holds(release, args.get("sha256") or "")
        if not contents or not contents.venv:
            raise AnsibleActionFail(
                f"{store.release(release)}: the archive of release {release} is not here, or not whole. "
                "Fetch it from a host that has the release (release_ship with fetch)."
            )
        self.check_platform(store, args)
        folder = self._make_tmp_path()
        try:
            sent = {"archive": self.send(store.release(release), folder), "venv_archive": ""}
            vid, venv_sha256 = contents.venv
            if look.venvs.get(vid) != venv_sha256 or args.get("repair"):
                sent["venv_archive"] = self.send(store.venv(vid), folder)
            values = {**ship_args(args), **sent, "sha256": contents.sha256}
            result = self.module("release_ship", values, task_vars)
            if result.get("failed") and (removed := store.remove_damaged(release, vid)):
                names = ", ".join(removed)
                result["hint"] = f"{names} was damaged in {store.folder} and is removed: run the same command again."
            return result
        finally:
            self._remove_tmp_path(folder)

    def send(self, path: Path, folder: str) -> str:
        """Copy a file into the host's temporary folder; returns its path there."""
        return str(self._transfer_file(str(path), self._connection._shell.join_path(folder, path.name)))

    def check_platform(self, store: Store, args: Mapping[str, Any]) -> None:
        """Refuse a host on which the release cannot run, before anything is sent; raises AnsibleActionFail."""
        try:
            inputs = store.inputs(args["release_id"])
        except DamageError as error:
            raise AnsibleActionFail(str(error)) from error
        problem = platform_problem(inputs, args["machine"]) if args.get("machine") else ""
        if problem:
            raise AnsibleActionFail(
                f"Release {args['id']} cannot run on this host: {problem}. Nothing was sent. "
                "Use machines of the same operating system release, or build it there with `./samestack deploy`."
            )


def ship_args(args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the module release_ship."""
    names = ("release_id", "app", "root", "min_free", "run", "pack_venv", "repair")
    return {name: args[name] for name in names if args.get(name) is not None}
