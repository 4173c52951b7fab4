#!/usr/bin/python
"""Put the Python that a release brings onto the host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_python
short_description: The Python that a release runs on is on the host
description:
  - A build of CPython that the release names by version and digest, below C(/opt/samestack/python); root's, and one
    copy for all applications of the host. Nothing is done for a release that runs on the host's own.
  - The action plugin of the same name has it fetched on the control node, and sends the archive where it is missing.
extends_documentation_fragment: [samestack.core.release]
options:
  python:
    description: "The Python, as the inputs of a release name it: its key and the sha256 of its archive."
    type: str
    required: true
  mirror: {description: Address that archives are fetched from in place of GitHub's., type: str, default: ""}
  downloads: {description: "A list of builds as uv takes it: path or URL.", type: str, default: ""}
  archive: {description: The archive on this host., type: path}
author: Samestack
"""

EXAMPLES = r"""
- name: Install the application's Python
  samestack.core.release_python:
    app: noticeboard
    root: /srv/noticeboard
    python: "{{ release.python }}"
"""

RETURN = r"""
seconds: {description: Seconds that it took on the host., type: float, returned: success}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.arguments import release_argument_spec
from ..module_utils.common.errors import HostError, disk_error
from ..module_utils.common.files import usual_umask
from ..module_utils.common.ledger import Run
from ..module_utils.common.secrets import guard
from ..module_utils.common.stopwatch import Steps
from ..module_utils.release.interpreter import HOME, Interpreter
from ..module_utils.release.pythons import install


def main() -> None:
    """Run the module."""
    usual_umask()
    spec = release_argument_spec(
        "uv",
        "uv_cache",
        python={"type": "str", "required": True},
        mirror={"type": "str", "default": ""},
        downloads={"type": "str", "default": ""},
        archive={"type": "path"},
    )
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    guard(module)
    params, steps = module.params, Steps()
    interpreter = Interpreter.of(params["python"])
    if interpreter is None or module.check_mode:
        module.exit_json(changed=interpreter is not None)
        return
    run = Run(params["run"], params["app"])
    run.require_lock()
    try:
        with steps.step("python"):
            changed = install(params, interpreter)
    except (HostError, OSError) as error:
        told = error if isinstance(error, HostError) else disk_error(error, HOME)
        run.fail(str(told), steps=steps.seconds)
        module.fail_json(msg=str(told), hint=told.hint)
    module.exit_json(changed=changed, seconds=steps.done[0]["seconds"])


if __name__ == "__main__":
    main()
