#!/usr/bin/python
"""The site answers as it shall, to a visitor on this machine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: site_answers
short_description: The site answers
description:
  - Asks the machine's web server for a page of the site until it answers well. Behind a maintenance page, the
    application itself is asked. Where no release serves yet, there is nothing to ask.
options:
  host: {description: Host name to ask for., type: str, required: true}
  path: {description: Page to ask for., type: str, default: /}
  root: {description: The application's folder., type: path, required: true}
  socket: {description: The application's own socket., type: path, required: true}
  timeout: {description: Seconds that it has., type: int, default: 30}
author: Samestack
"""

EXAMPLES = r"""
- name: Check that the site answers
  samestack.core.site_answers:
    host: noticeboard.test
    root: /srv/noticeboard
    socket: /run/noticeboard/live.sock
"""

RETURN = r"""
say: {description: How it answered., type: list, elements: str, returned: success}
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common import maintenance_page
from ..module_utils.release.place import Place
from ..module_utils.release.serving.probe import Probe, is_well

PAUSE_SECONDS = 1


def trouble(probe: Probe, socket: str, deadline: float) -> str:
    """Return "" as soon as the site answers well, else why not when the time (monotonic seconds) is over."""
    while True:
        if maintenance_page.is_on():
            status, why = probe.answer(socket, deadline - time.monotonic())
            why = "" if status and is_well(status) else str(why)
        else:
            why = str(probe.through_front(deadline - time.monotonic()))
        if not why or time.monotonic() > deadline:
            return why
        time.sleep(PAUSE_SECONDS)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "path": {"type": "str", "default": "/"},
            "root": {"type": "path", "required": True},
            "socket": {"type": "path", "required": True},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    given = module.params
    probe = Probe(given["host"], given["path"], "")
    if not Place(given["root"], "").current:
        module.exit_json(changed=False, say=["No release serves here yet: there is no site to ask"])
    why = trouble(probe, given["socket"], time.monotonic() + given["timeout"])
    if why:
        module.fail_json(
            msg=f"{probe.address} does not answer as it shall: {why}", hint="Look at its logs: `./samestack logs`."
        )
    module.exit_json(changed=False, say=[f"{probe.address} answers"])


if __name__ == "__main__":
    main()
