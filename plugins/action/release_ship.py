"""Brings a release from a host into the control node's store, or from the store to a host that lacks it."""

from __future__ import annotations

from typing import Any

from ..plugin_utils.release.store import Store
from ..plugin_utils.release.transfer import Look, Transfers, ship_args


class ActionModule(Transfers):
    """Looks first; most runs end there."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the release's digests, and whether anything was moved."""
        super().run(tmp, task_vars)
        args = self.arguments(task_vars)
        store = Store(self.base, args["app"])
        look = self.look(args["root"], args["release_id"])
        wanted = args.get("sha256") or ""
        if args.get("repair"):
            return self._repair(store, args | {"release_id": args["release_id"] or look.current}, look, task_vars)
        if args.get("fetch"):
            return self._fetch(store, args, wanted, task_vars)
        contents = store.holds(args["release_id"], wanted)
        wanted = wanted or (contents.sha256 if contents else "")
        vid = contents.venv[0] if contents and contents.venv else ""
        answer = {"changed": False, "sha256": wanted, "vid": vid, "current": look.current, "free": look.free}
        if look.complete and look.sha256 == wanted:
            return answer | self.mend(store, args, look, task_vars)
        if self._task.check_mode:
            return {**answer, "changed": True}
        result = self.push(store, args, look, task_vars)
        return {**answer, **result} if not result.get("failed") else result

    def _fetch(
        self, store: Store, args: dict[str, Any], wanted: str, task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Bring the release into the store unless the host's own bytes are there already."""
        look = self.look(args["root"], args["release_id"])
        if look.complete and wanted and look.sha256 != wanted:
            why = f"the digest of its contents is {look.sha256[:12]}…, not {wanted[:12]}…"
            return {"failed": True, "msg": f"Release {args['id']} on this host is not the one that is wanted: {why}."}
        contents = store.holds(args["release_id"], look.sha256) if look.complete else None
        if contents and contents.venv:
            return {"changed": False, "sha256": contents.sha256, "vid": contents.venv[0]}
        result = self.fetch(store, args, task_vars)
        return {**result, "changed": not result.get("failed")}

    def _repair(
        self, store: Store, args: dict[str, Any], look: Look, task_vars: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Have put back what somebody changed of a release that the host has."""
        asked = self.module("release_ship", ship_args(args), task_vars)
        if asked.get("failed") or not asked["changed"] or self._task.check_mode:
            return asked | {"say": said(args["release_id"], asked)}
        # The list of its contents may be what was changed; how it was built says what it was.
        contents = store.holds(args["release_id"], str(look.live.get("sha256", ""))) or store.holds(args["release_id"])
        if contents is None:
            why = f"the archive of release {args['id']} is not on this computer ({store.folder})"
            hint = "Run this where it was deployed or promoted from, or deploy another commit."
            return {"failed": True, "msg": f"{', '.join(asked['by_hand'])} cannot be put back: {why}.", "hint": hint}
        result = self.push(store, args | {"sha256": contents.sha256}, look, task_vars)
        return result if result.get("failed") else result | {"say": said(args["release_id"], asked)}


def said(release: str, asked: dict[str, Any]) -> list[str]:
    """Return what was changed by hand, in words."""
    if asked.get("failed"):
        return []
    if not asked["by_hand"]:
        return [f"Nobody changed anything of release {release}: nothing to do"]
    return [f"What was changed of release {release} by hand: {', '.join(asked['by_hand'])}"]
