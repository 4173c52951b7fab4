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
options:
  state: {description: What shall be., type: str, choices: [paused, resumed], required: true}
  message: {description: What the page says., type: str, default: ""}
  app: {description: Name of the application; its units are called so., type: str, required: true}
  root: {description: The application's folder., type: path, required: true}
  run_directory: {description: Folder of the sockets., type: path, required: true}
  host: {description: Host name to ask for., type: str, required: true}
  path: {description: Page to ask for., type: str, default: /}
  timeout: {description: Seconds that the release has to become healthy., type: int, default: 60}
  drain: {description: Seconds that requests in flight get., type: int, default: 30}
  web_user: {description: The web server's user; the page is asked for as this one., type: str, default: ""}
  workers: {description: Names of the long-running processes., type: list, elements: str, default: []}
  timers: {description: Names of what runs by the clock., type: list, elements: str, default: []}
  serves: {description: Whether this host runs the web server., type: bool, default: true}
  run: {description: The run in hand, from preflight., type: dict, default: {}}
author: Samestack
"""

EXAMPLES = r"""
- name: The old release is stopped
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

from ..module_utils.common.errors import HostError
from ..module_utils.common.host_lock import one_at_a_time
from ..module_utils.release.serving.pause import Pause


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["paused", "resumed"], "required": True},
            "message": {"type": "str", "default": ""},
            "app": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "run_directory": {"type": "path", "required": True},
            "host": {"type": "str", "required": True},
            "path": {"type": "str", "default": "/"},
            "timeout": {"type": "int", "default": 60},
            "drain": {"type": "int", "default": 30},
            "web_user": {"type": "str", "default": ""},
            "workers": {"type": "list", "elements": "str", "default": []},
            "timers": {"type": "list", "elements": "str", "default": []},
            "serves": {"type": "bool", "default": True},
            "run": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
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
