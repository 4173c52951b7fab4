#!/usr/bin/python
"""Stop an application on purpose, behind the maintenance page, and start it again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_pause
short_description: The application is stopped, or runs again
description:
  - For what the running code cannot live with, such as a breaking migration. C(paused) shows the maintenance page, lets
    requests in flight finish, and stops web server, workers and timers; they stay stopped after a boot.
  - C(resumed) starts the live release again and takes the page away once it answers. M(release_activate) does so too.
  - A page that people put there stays.
extends_documentation_fragment: [samestack.core.release]
options:
  run_directory: {description: Folder of the sockets., type: path, required: true}
  host: {description: Host name to ask for., type: str, required: true}
  state: {description: What shall be., type: str, choices: [paused, resumed], required: true}
  message: {description: What the page says., type: str, default: ""}
author: Samestack
"""

EXAMPLES = r"""
- name: Stop the application
  samestack.core.release_pause:
    state: paused
    app: noticeboard
    root: /srv/noticeboard
    run_directory: /run/noticeboard
    host: noticeboard.test
"""

RETURN = r"""
say: {description: What happened, in words., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.arguments import release_argument_spec
from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask
from ..module_utils.common.host_lock import one_at_a_time
from ..module_utils.common.secrets import guard
from ..module_utils.release.serving.pause import Pause


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec=release_argument_spec(
            "run_directory",
            "host",
            state={"type": "str", "choices": ["paused", "resumed"], "required": True},
            message={"type": "str", "default": ""},
        ),
        supports_check_mode=True,
    )
    guard(module)
    pause = Pause(module.params)
    if module.check_mode:
        module.exit_json(changed=not pause.is_done(), say=[])
    try:
        with one_at_a_time(module.params["app"]):
            done = pause.is_done()
            say = pause.run()
    except HostError as error:
        module.fail_json(msg=str(error), hint=error.hint)
    module.exit_json(changed=not done, say=say)


if __name__ == "__main__":
    main()
