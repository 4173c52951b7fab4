#!/usr/bin/python
"""What there is to know of the releases on a host, in one call that changes nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_state
short_description: What a host serves, whether it is what was built, and what it could take
description:
  - Reads everything that the verbs plan, promote and releases decide by. Changes nothing.
extends_documentation_fragment: [samestack.core.release]
options:
  run_directory: {description: Folder of the sockets., type: path, required: true}
  env_file: {description: Environment file of the application., type: path, required: true}
  release_id: {description: Id of the release that is looked at; empty is the live one., type: str, default: ""}
  environment:
    description: Variables that another release reads (true where it insists), looked for instead of its own.
    type: dict
    default: {}
  verify: {description: Whether every byte of it is compared with what was built., type: bool, default: false}
  answers_within:
    description:
      - Seconds that the site has to answer well to a visitor on this machine, through its web server; behind a
        maintenance page, the application itself. It fails when it does not. 0 does not ask, nor does a host where
        no release serves.
    type: int
    default: 0
  lines: {description: How many of the ledger's last lines are returned., type: int, default: 20}
author: Samestack
"""

EXAMPLES = r"""
- name: Look at the live release
  samestack.core.release_state:
    app: noticeboard
    root: /srv/noticeboard
    run_directory: /run/noticeboard
    env_file: /etc/noticeboard/env
    verify: true
"""

RETURN = r"""
state:
  description:
    - C(current) and C(instance), the release that is live and the web server's instance; C(healthy) and C(why) not.
    - C(release), the id that was looked at, empty where it is not complete here; C(sha256), C(vid), C(build)
      (build.json), C(inputs) and C(environment) (the variables that its settings read, true where they insist).
    - C(dirty), the paths that are C(changed), C(added) or C(missing) since it was built, C({}) for none.
    - C(applied), the migrations that the database had when it was checked; C(env_missing), variables to be set first.
    - C(restarts), how often workers were started anew that do not stay up, by their names.
    - C(free) bytes, C(kept) complete releases, C(good) ones newest first, C(failed) ones with the reason.
    - C(accepted), the ledger's line about that release's acceptance, C({}) without one.
    - C(frozen) (who, since, message) and the C(ledger)'s last lines.
  returned: success
  type: dict
say:
  description: That the site answers, where that was asked; what somebody changed of the release.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.arguments import release_argument_spec
from ..module_utils.common.files import usual_umask
from ..module_utils.common.ledger import Run
from ..module_utils.common.secrets import guard
from ..module_utils.release.state.status import changed_by_hand, state, unwell


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec=release_argument_spec(
            "run_directory",
            "env_file",
            release_id={"type": "str", "default": ""},
            environment={"type": "dict", "default": {}},
            verify={"type": "bool", "default": False},
            answers_within={"type": "int", "default": 0},
            lines={"type": "int", "default": 20},
        ),
        supports_check_mode=True,
    )
    guard(module)
    if why := unwell(module.params, module.params["answers_within"]):
        module.fail_json(msg=why, hint="Look at its logs: `./samestack logs`.")
    found = state(module.params, Run({}, module.params["app"]))
    asked = module.params["answers_within"] and found["current"]
    answers = [f"https://{module.params['host']}{module.params['path']} answers"] if asked else []
    module.exit_json(changed=False, state=found, say=answers + changed_by_hand(found))


if __name__ == "__main__":
    main()
