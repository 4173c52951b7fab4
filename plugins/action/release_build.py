"""Sees to it that the building host has a release: it is there, it is in the store, or it is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..plugin_utils.project.repository import commits_between
from ..plugin_utils.release.store import Store
from ..plugin_utils.release.transfer import STORE_LIMIT, Look, Transfers


class ActionModule(Transfers):
    """Looks first; most runs end there."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result, without its arguments: they hold passwords."""
        super().run(tmp, task_vars)
        args = self.arguments(task_vars)
        release = dict(args["release"])
        limit = args.pop("store_limit", STORE_LIMIT)
        if release.get("live_path"):
            return self.module("release_build", args, task_vars)
        store = Store(self.base, release["app"])
        look = self.look(args["root"], release["id"])
        mirror = release.pop("mirror", "")
        commits = commits_between(mirror, str(look.live.get("commit", "")), release["commit"])
        ship = {name: args.get(name) for name in ("root", "min_free", "run")}
        ship |= {"app": release["app"], "release_id": release["id"], "store_limit": limit, "machine": {}}
        answer = {"changed": False, "current": look.current, "commits": commits, "live": look.live, "free": look.free}
        answer |= {"steps": [], "reused": False}
        result: dict[str, Any] = {"sha256": look.sha256}
        if not look.complete:
            if self._task.check_mode:
                return {**answer, "changed": True}
            if store.holds(release["id"]):
                result = {**self.push(store, ship, look, task_vars), "reused": True}
            else:
                result = self._build(store, {**args, "release": release, "commits": commits}, ship, task_vars)
        else:
            result |= self.mend(store, ship, look, task_vars)
        if not result.get("failed") and not self._task.check_mode:
            result |= self._keep(store, ship, result, look, task_vars)
        return result if result.get("failed") else {**answer, **result}

    def _build(
        self, store: Store, args: dict[str, Any], ship: dict[str, Any], task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Send the source and have it built and packed, all in one call; fetch the archives."""
        folder = self._make_tmp_path()
        try:
            release = args["release"]
            sent = self.send(Path(release["archive"]), folder)
            pack_venv = not store.venv(release["vid"]).is_file()
            packing = {"archive": sent, "pack_to": folder, "pack_venv": pack_venv}
            result = self.module("release_build", {**args, **packing}, task_vars)
            if result.get("packed"):
                self.keep(store, ship, result["packed"], folder)
            return result
        finally:
            self._remove_tmp_path(folder)

    def _keep(
        self, store: Store, ship: dict[str, Any], result: dict[str, Any], look: Look, task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Bring the host's release into the store where it is not; whoever promotes it needs it there."""
        sha256 = result.get("sha256") or look.sha256
        contents = store.holds(ship["release_id"], sha256)
        if contents is None:
            packed = self.fetch(store, ship, task_vars)
            if packed.get("failed"):
                return packed
            return {"sha256": packed["sha256"], "vid": packed["vid"]}
        return {"sha256": contents.sha256, "vid": contents.venv[0] if contents.venv else ""}
