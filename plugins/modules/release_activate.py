#!/usr/bin/python
"""Make a release the one that serves: start beside the old one, probe, switch, drain."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_activate
short_description: A release serves
description:
  - Starts the release's web server on a socket of its own, asks it for a page until it answers, points nginx's socket
    at it, asks again through nginx, points C(current) at it, brings workers and timers along, stops what ran before
    once nobody talks to it any more, writes the ledger line and removes old releases. What is on the host then is
    written down beside what follows.
  - A release that does not become healthy is stopped again and marked as failed in the ledger; the old one serves on.
    Any interrupted run can be repeated. A release that is live already is left alone.
  - Workers of the release before end what they have begun; those that have not ended yet are returned, and C(finish)
    waits for them.
  - Without O(release_id), the live one gets new processes in the same way where something that they run with changed.
extends_documentation_fragment: [samestack.core.release]
options:
  run_directory: {description: Folder of the sockets., type: path, required: true}
  host: {description: Host name to ask for., type: str, required: true}
  release_id: {description: Id of the release; empty is the live one., type: str, default: ""}
  finish:
    description:
      - Do nothing but wait for the workers that are ending what they have begun, then start what waits for that.
    type: bool
    default: false
  restart: {description: The release changed in place; it needs new processes., type: bool, default: false}
  commits: {description: The commits since the release before., type: list, elements: dict, default: []}
  tests: {description: What came of the release's tests., type: dict, default: {}}
  live:
    description:
      - Whether live code shall run. While something else than that runs, processes are not renewed; the next deployment
        changes it. Left out, it does not matter.
    type: bool
  keep: {description: Number of releases to keep; 0 removes none., type: int, default: 0}
author: Samestack
"""

EXAMPLES = r"""
- name: Switch to the release
  samestack.core.release_activate:
    release_id: 0a1b2c3d4e5f
    app: noticeboard
    root: /srv/noticeboard
    run_directory: /run/noticeboard
    host: noticeboard.test
"""

RETURN = r"""
before: {description: The release that was live before, type: str, returned: success}
ending:
  description: Workers that are ending what they have begun, in words.
  type: list
  elements: str
  returned: success
live: {description: The release that is live now., type: str, returned: always}
seconds: {description: Seconds that each step took., type: dict, returned: always}
say: {description: What happened, in words., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common import recorder
from ..module_utils.common.arguments import release_argument_spec
from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask
from ..module_utils.common.host_lock import one_at_a_time
from ..module_utils.common.secrets import guard
from ..module_utils.release import testing
from ..module_utils.release.serving.switch import Switch


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec=release_argument_spec(
            "run_directory",
            "host",
            release_id={"type": "str", "default": ""},
            finish={"type": "bool", "default": False},
            restart={"type": "bool", "default": False},
            live={"type": "bool"},
            keep={"type": "int", "default": 0},
            commits={"type": "list", "elements": "dict", "default": []},
            tests={"type": "dict", "default": {}},
        ),
        supports_check_mode=True,
    )
    guard(module)
    if module.check_mode:
        switch = Switch(module.params)
        settled = switch.is_settled()
        say = [] if settled else [f"Release {switch.release} would take the place of {switch.before or 'nothing'}"]
        module.exit_json(changed=not settled, before=switch.before, live=switch.before, ending=[], seconds={}, say=say)
    seconds: dict[str, float] = {}
    try:
        with one_at_a_time(module.params["app"]):
            switch = Switch(module.params)
            seconds = switch.steps.seconds
            if testing.keep(switch.place, module.params["tests"]) and switch.is_renewal:
                testing.tell(module.params["run"], module.params["app"], switch.place, module.params["tests"])
            say = switch.finish() if module.params["finish"] else switch.run()
            ending = switch.ending
    except HostError as error:
        module.fail_json(msg=str(error), hint=error.hint, live=switch.place.current, seconds=seconds)
    # A provision records at its end.
    if module.params["run"].get("verb") != "provision":
        say += recorder.record(module.params["run"])
    # A restore begins a whole backup at its end.
    if switch.changed and module.params["run"].get("verb") in ("deploy", "promote", "rollback"):
        recorder.copy()
    live = switch.place.current
    module.exit_json(
        changed=switch.changed, before=switch.before, live=live, ending=ending, seconds=seconds, say=say
    )  # fmt: skip


if __name__ == "__main__":
    main()
