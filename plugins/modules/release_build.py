#!/usr/bin/python
"""Build a release on the host: unpack, install its packages, collect static files, seal."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_build
short_description: A release is built and complete on the host
description:
  - Runs every step of a build in one call, each in a unit of its own, by an account that only this build has, without
    a network and without any environment's secrets. What fetches packages runs nothing of theirs.
  - Does nothing when the release is there and complete; removes and rebuilds what an interrupted run left.
  - The action plugin of the same name ships the archive when it is needed.
extends_documentation_fragment: [samestack.core.release]
options:
  fetch_user: {description: User that fetches packages., type: str, required: true}
  uv: {description: The program uv., type: path, required: true}
  uv_cache: {description: Folder in which uv keeps packages., type: path, required: true}
  release: {description: What C(release_source) returned., type: dict, required: true}
  overlay: {description: Whether the machine's settings are laid over the application's., type: bool, default: true}
  overlay_path: {description: Folder of the overlay's modules., type: path, required: true}
  build_env: {description: Environment of the build., type: dict, default: {}}
  build_network: {description: Whether commands of the build have a network., type: bool, default: false}
  stand_ins: {description: What stands in for services by the ends of variables' names., type: dict, default: {}}
  indexes: {description: "Private package indexes: name to url and user.", type: dict, default: {}}
  index_passwords: {description: Passwords of the indexes by name., type: dict, default: {}}
  static_url: {description: Path under which static files are served., type: str, default: /static/}
  media_url: {description: Path under which media is served., type: str, default: /media/}
  archive: {description: The shipped source on this host; "" asks whether it is needed., type: str, default: ""}
  keep: {description: Releases kept on a host that only builds; 0 removes none., type: int, default: 0}
  pack_to: {description: Folder on this host into which the release is packed once it is built., type: str, default: ""}
  pack_venv: {description: Whether its environment is packed too., type: bool, default: true}
  commits: {description: The commits since the release that is live., type: list, elements: dict, default: []}
author: Samestack
"""

EXAMPLES = r"""
- name: Build the release
  samestack.core.release_build:
    release: "{{ __release.release }}"
    root: /srv/noticeboard
    fetch_user: noticeboard-fetch
    uv: /opt/samestack/uv/bin/uv
    uv_cache: /var/cache/samestack/noticeboard/uv
    overlay_path: /usr/local/lib/samestack/python
"""

RETURN = r"""
needs_archive: {description: The archive has to be shipped and the module called again., type: bool, returned: success}
current: {description: The release that was live before., type: str, returned: success}
steps: {description: Seconds of each step., type: list, elements: dict, returned: success}
say: {description: What people want to know., type: list, elements: str, returned: success}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.arguments import release_argument_spec
from ..module_utils.common.errors import HostError, check_space
from ..module_utils.common.files import usual_umask
from ..module_utils.common.host_lock import one_at_a_time
from ..module_utils.common.ledger import Run
from ..module_utils.common.secrets import guard
from ..module_utils.release.builder import Builder
from ..module_utils.release.files.retention import prune_built
from ..module_utils.release.files.transfer import pack_release


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec=release_argument_spec(
            "fetch_user",
            "uv",
            "uv_cache",
            release={"type": "dict", "required": True},
            overlay={"type": "bool", "default": True},
            overlay_path={"type": "path", "required": True},
            build_env={"type": "dict", "default": {}},
            build_network={"type": "bool", "default": False},
            stand_ins={"type": "dict", "default": {}},
            indexes={"type": "dict", "default": {}},
            index_passwords={"type": "dict", "default": {}, "no_log": True},
            static_url={"type": "str", "default": "/static/"},
            media_url={"type": "str", "default": "/media/"},
            archive={"type": "str", "default": ""},
            keep={"type": "int", "default": 0},
            pack_to={"type": "str", "default": ""},
            pack_venv={"type": "bool", "default": True},
            commits={"type": "list", "elements": "dict", "default": []},
        ),
        supports_check_mode=True,
    )
    guard(module)
    builder = Builder(module.params)
    app, release = module.params["release"]["app"], module.params["release"]["id"]
    run = Run(module.params["run"], app)
    current = builder.place.current
    answer: dict[str, Any] = {"changed": False, "needs_archive": False, "current": current, "steps": []}
    try:
        if builder.complete():
            module.exit_json(**answer)
        if module.check_mode:
            module.exit_json(**{**answer, "changed": True})
        check_space(module.params["root"], module.params["min_free"])
        if not module.params["archive"] and not builder.live_path:
            module.exit_json(**{**answer, "needs_archive": True})
        run.require_lock()
        with one_at_a_time(app):
            # Another run may have built it while this one waited.
            if not builder.complete():
                builder.build()
            prune_built(builder.place, module.params["keep"])
        answer |= pack(builder, module.params)
    except HostError as error:
        run.fail(str(error), release=release, steps=builder.steps.seconds, label=builder.release.get("label", ""))
        module.fail_json(msg=str(error), hint=error.hint, steps=builder.steps.done)
    run.note(steps=builder.steps.seconds)
    module.exit_json(**{**answer, "changed": True, "steps": builder.steps.done, "say": builder.said})


def pack(builder: Builder, params: dict[str, Any]) -> dict[str, Any]:
    """Pack the release for the control node, in the same call."""
    if not params["pack_to"] or builder.live_path:
        return {}
    with builder.steps.step("pack"):
        packed = pack_release(builder.place, params["pack_to"], with_venv=params["pack_venv"])
    return {"sha256": packed["sha256"], "vid": packed["vid"], "packed": packed}


if __name__ == "__main__":
    main()
