#!/usr/bin/python
"""Pack a release for its way to other hosts, or unpack one that came from there."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_ship
short_description: A release is where it is needed, the same bytes everywhere
description:
  - The action plugin of the same name moves archives. With C(fetch) it brings the host's release into the control
    node's store, else the store's release to the host, and of both only what is missing.
  - Every file is compared with the digests in the release's C(contents), and those with C(sha256).
extends_documentation_fragment: [samestack.core.release]
options:
  release_id: {description: Id of the release., type: str, required: true}
  sha256: {description: "Digest that the release shall have; empty takes what the store has.", type: str, default: ""}
  fetch: {description: Bring the release from this host into the store., type: bool, default: false}
  machine: {description: Facts of the host; a release of another platform is refused., type: dict, default: {}}
  archive: {description: The release's archive on this host., type: str, default: ""}
  venv_archive: {description: "Archive of its environment; empty where that is there.", type: str, default: ""}
  pack_to: {description: Folder on this host into which the release is packed., type: str, default: ""}
  pack_venv: {description: Whether its environment is packed too., type: bool, default: true}
  repair:
    description: Put back what was changed of the release by hand; with O(release_id) empty, of the one that serves.
    type: bool
    default: false
author: Samestack
"""

EXAMPLES = r"""
- name: Copy the release to the host
  samestack.core.release_ship:
    release_id: 0a1b2c3d4e5f
    app: noticeboard
    root: /srv/noticeboard
"""

RETURN = r"""
sha256: {description: Digest of the release., type: str, returned: success}
vid: {description: Id of its environment., type: str, returned: success}
seconds: {description: Seconds that it took on the host., type: float, returned: success}
by_hand: {description: "With O(repair): what somebody had changed.", type: list, elements: str, returned: success}
"""

from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.arguments import release_argument_spec
from ..module_utils.common.errors import HostError, check_space
from ..module_utils.common.files import usual_umask
from ..module_utils.common.host_lock import one_at_a_time
from ..module_utils.common.ledger import Run
from ..module_utils.common.pending import Owed
from ..module_utils.common.secrets import guard
from ..module_utils.common.stopwatch import Steps
from ..module_utils.release.files.transfer import pack_release, unpack_release
from ..module_utils.release.place import Place
from ..module_utils.release.state.repair import changed_paths, put_back

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTIONS = release_argument_spec(
    release_id={"type": "str", "required": True},
    sha256={"type": "str", "default": ""},
    fetch={"type": "bool", "default": False},
    machine={"type": "dict", "default": {}},
    archive={"type": "str", "default": ""},
    venv_archive={"type": "str", "default": ""},
    pack_to={"type": "str", "default": ""},
    pack_venv={"type": "bool", "default": True},
    repair={"type": "bool", "default": False},
)


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    guard(module)
    params = module.params
    place, run, steps = Place(params["root"], params["release_id"]), Run(params["run"], params["app"]), Steps()
    try:
        if params["pack_to"]:
            packed = pack_release(place, params["pack_to"], with_venv=params["pack_venv"])
            module.exit_json(changed=False, **packed)
        # Without an archive, only asked
        if params["repair"] and not params["archive"]:
            by_hand = changed_paths(place)
            module.exit_json(changed=bool(by_hand), by_hand=by_hand)
        if module.check_mode:
            module.exit_json(changed=True, sha256=params["sha256"])
        run.require_lock()
        check_space(params["root"], params["min_free"])
        with one_at_a_time(params["app"]), steps.step("ship"):
            if params["repair"]:
                repair(place, run, params)
            else:
                unpack_release(place, params["archive"], params["venv_archive"], params["sha256"])
    except HostError as error:
        # A release that the host keeps has not failed because it could not be put back.
        if not params["repair"] or place.current == place.id:
            run.fail(str(error), release=params["release_id"], steps=steps.seconds)
        module.fail_json(msg=str(error), hint=error.hint)
    run.note(steps=steps.seconds)
    module.exit_json(changed=True, sha256=params["sha256"], seconds=steps.done[0]["seconds"])


def repair(place: Place, run: Run, params: Mapping[str, Any]) -> None:
    """Put a release's files back; processes of the one that serves owe a restart from the first moment on."""
    by_hand, serves = changed_paths(place), place.current == place.id
    if serves:
        Owed(params["app"]).add()
    put_back(place, params["archive"], params["venv_archive"], params["sha256"])
    if serves:
        run.succeed(release=place.id, files=by_hand)


if __name__ == "__main__":
    main()
