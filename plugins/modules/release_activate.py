#!/usr/bin/python
"""Make a release the one that serves: start beside the old one, probe, switch, drain."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_activate
short_description: A release serves
description:
  - Starts the release's web server on a socket of its own, asks it for a page until it answers, points the web server's
    socket and C(current) at it, brings workers and timers along, and stops what ran before.
  - A release that does not become healthy is stopped again; the old one serves on. Any interrupted run can be repeated.
options:
  release: {description: Id of the release., type: str, required: true}
  app: {description: Name of the application; its units are called so., type: str, required: true}
  root: {description: The application's folder., type: path, required: true}
  run_directory: {description: Folder of the sockets., type: path, required: true}
  host: {description: Host name to ask for., type: str, required: true}
  path: {description: Page to ask for., type: str, default: /}
  timeout: {description: Seconds that the release has to become healthy., type: int, default: 60}
  web_user: {description: The web server's user; the page is asked for as this one., type: str, default: ""}
  workers: {description: Names of the long-running processes., type: list, elements: str, default: []}
  timers: {description: Names of what runs by the clock., type: list, elements: str, default: []}
  serves: {description: Whether this host runs the web server., type: bool, default: true}
  restart: {description: The release changed in place; restart its processes., type: bool, default: false}
author: Samestack
"""

EXAMPLES = r"""
- name: The release serves
  release_activate:
    release: 0a1b2c3d4e5f
    app: noticeboard
    root: /srv/noticeboard
    run_directory: /run/noticeboard
    host: noticeboard.test
"""

RETURN = r"""
before: {description: The release that was live before, type: str, returned: success}
seconds: {description: Seconds that each step took., type: dict, returned: success}
say: {description: What happened, in words., type: list, elements: str, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.release_host import ReleaseError, one_at_a_time
from ansible.module_utils.release_switch import Switch


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "release": {"type": "str", "required": True},
            "app": {"type": "str", "required": True},
            "root": {"type": "path", "required": True},
            "run_directory": {"type": "path", "required": True},
            "host": {"type": "str", "required": True},
            "path": {"type": "str", "default": "/"},
            "timeout": {"type": "int", "default": 60},
            "web_user": {"type": "str", "default": ""},
            "workers": {"type": "list", "elements": "str", "default": []},
            "timers": {"type": "list", "elements": "str", "default": []},
            "serves": {"type": "bool", "default": True},
            "restart": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    switch = Switch(module.params)
    before = switch.place.current
    try:
        if module.check_mode:
            module.exit_json(changed=not switch.is_done(), before=before, seconds={}, say=[])
        with one_at_a_time(module.params["app"]):
            say = switch.run()
    except ReleaseError as error:
        module.fail_json(msg=str(error), hint=error.hint)
    seconds = {step["name"]: step["seconds"] for step in switch.steps.done}
    module.exit_json(changed=switch.changed, before=before, seconds=seconds, say=say)


if __name__ == "__main__":
    main()
