#!/usr/bin/python
"""Ask the live release what its models are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_models
short_description: The models of the live release, by their tables
description:
  - Starts Django once, in the release's own Python and as the application, and asks it for its models. Changes nothing.
extends_documentation_fragment: [samestack.core.release]
options:
  user: {description: User that runs the application., type: str, required: true}
  env_file: {description: Environment file of the application., type: path, required: true}
author: Samestack
"""

EXAMPLES = r"""
- name: List the models
  samestack.core.release_models:
    app: noticeboard
    root: /srv/noticeboard
    user: noticeboard
    env_file: /etc/noticeboard/env
"""

RETURN = r"""
models:
  description: "By table: C(label), C(fields) (by column), C(kinds) (the classes of each field), C(choices)."
  type: dict
  returned: success
passwords: {description: Columns of password hashes by table., type: dict, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.arguments import release_argument_spec
from ..module_utils.common.errors import HostError
from ..module_utils.common.files import usual_umask
from ..module_utils.common.secrets import guard
from ..module_utils.common.text import excerpt
from ..module_utils.release.inside import run_inside
from ..module_utils.release.place import Place


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(argument_spec=release_argument_spec("user", "env_file"), supports_check_mode=True)
    guard(module)
    params = module.params
    current = Place(params["root"], "").current
    if not current:
        module.fail_json(
            msg=f"{params['app']} serves no release here, so nobody knows its models.", hint="Deploy once."
        )
    place = Place(params["root"], current)
    try:
        _code, found, said = run_inside(place, params, "models.describe", {})
    except HostError as error:
        module.fail_json(msg=str(error), hint=error.hint)
    if found is None:
        found = {}
        module.fail_json(
            msg=f"The release that serves could not say what its models are.\n{excerpt(said, place.folder)}"
        )
    module.exit_json(changed=False, models=found["models"], passwords=found["passwords"])


if __name__ == "__main__":
    main()
