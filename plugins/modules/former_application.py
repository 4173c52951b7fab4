#!/usr/bin/python
"""Take an application away that the machine had before."""

from __future__ import annotations

DOCUMENTATION = r"""
module: former_application
short_description: Nothing of an earlier application runs here any more
description:
  - Stops the units of applications that the machine had before, and removes their units, programs, releases and
    settings. Uploads, databases, restore points and the accounts that have them stay, out of everybody's reach, until
    they are to be forgotten.
options:
  apps:
    description: The applications that the machine had before.
    type: list
    elements: str
    required: true
  current:
    description: The application that it has now.
    type: str
    required: true
  forget:
    description: Those of them whose data goes, too.
    type: list
    elements: str
    default: []
  port:
    description: Port of PostgreSQL, which names its socket.
    type: int
    default: 5432
author: Samestack
"""

EXAMPLES = r"""
- name: Take the former application away
  samestack.core.former_application:
    apps: [demo]
    current: mysite
"""

RETURN = r"""
say:
  description: What was taken away, and what is kept.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask
from ..module_utils.system.former import Former


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec={
            "apps": {"type": "list", "elements": "str", "required": True},
            "current": {"type": "str", "required": True},
            "forget": {"type": "list", "elements": "str", "default": []},
            "port": {"type": "int", "default": 5432},
        },
        supports_check_mode=True,
    )
    params, say, diff = module.params, [], []
    if strange := [app for app in params["forget"] if app not in params["apps"]]:
        had = f"It had: {', '.join(params['apps'])}." if params["apps"] else "It had none before this one."
        module.fail_json(msg=f"This machine has not had {', '.join(strange)} before. Nothing was forgotten.", hint=had)
    try:
        for app in params["apps"]:
            former = Former(app, params["current"], check=module.check_mode)
            former.take_away()
            if app in params["forget"]:
                former.forget(params["port"])
            diff += former.done
            if former.done:
                kept = "" if app in params["forget"] else f"; its data is kept (--forget {app} takes it away)"
                say.append(f"{app}, which this machine had before, is taken away{kept}")
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error), hint=getattr(error, "hint", ""))
    after = "".join(f"{line}\n" for line in diff)
    module.exit_json(changed=bool(diff), say=say, diff={"before": "", "after": after})


if __name__ == "__main__":
    main()
