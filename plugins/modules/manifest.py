#!/usr/bin/python
"""Write down what is really on a host, and say what was written down before."""

from __future__ import annotations

DOCUMENTATION = r"""
module: manifest
short_description: What is on a host is written down
description:
  - Runs the recorder that role C(parity) has put on the host. What it finds is in C(/var/lib/samestack/manifest.json);
    earlier manifests that differ are kept beside it, with one line a recording.
  - No secret is in it. Values that are secret stand as digests under a key of the environment's (C(hmac:…)).
  - In check mode nothing is kept; the answer is the same.
options:
  cause:
    description: Why it is recorded; what a run of ours has left behind is what the host is compared with later.
    type: str
    choices: [provision, undo-provision, deploy, promote, rollback, asked]
    default: asked
  app: {description: Name of the application., type: str, required: true}
  environment: {description: Name of the environment., type: str, required: true}
  drift: {description: Whether what changed outside of our runs is looked up., type: bool, default: false}
  format:
    description: Whether words are printed of it or, for programs, one JSON object a host.
    type: str
    choices: [words, json]
    default: words
  run: {description: The current run; preflight's when left out., type: dict, default: {}}
author: Samestack
"""

EXAMPLES = r"""
- name: Record the manifest
  samestack.core.manifest:
    app: noticeboard
    environment: production
  register: recorded
"""

RETURN = r"""
manifest: {description: "C(schema), C(sections) and C(missing).", type: dict, returned: always}
digest: {description: What the manifest is called., type: str, returned: always}
time: {description: When it was recorded (UTC)., type: str, returned: always}
baseline:
  description: The last recording of a run of ours, with its C(manifest); null before the first.
  type: dict
  returned: always
history: {description: "The recordings, oldest first: time, cause, run, who, digest.", type: list, returned: always}
packages_log: {description: What apt and dpkg did since the baseline., type: list, returned: always}
drift:
  description:
    - "Where it was asked for: section, key, before, after; when it was C(seen) first and by which kind of recording
      (C(recorded)); by what (C(by)) and C(when) it was changed, where that can be known."
  type: list
  returned: always
"""

import json
import os

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common.files import usual_umask
from ..module_utils.common.secrets import KNOWN, learn_environment

PROGRAM = "/usr/local/lib/samestack/record"


def main() -> None:
    """Run the module."""
    usual_umask()
    module = AnsibleModule(
        argument_spec={
            "cause": {
                "type": "str",
                "choices": ["provision", "undo-provision", "deploy", "promote", "rollback", "restore", "asked"],
                "default": "asked",
            },
            "app": {"type": "str", "required": True},
            "environment": {"type": "str", "required": True},
            "drift": {"type": "bool", "default": False},
            "format": {"type": "str", "choices": ["words", "json"], "default": "words"},
            "run": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given = module.params
    if not os.access(PROGRAM, os.X_OK):
        hint = f"Run `./samestack provision {given['environment']}`: it brings the recorder."
        if given["cause"] != "asked":
            # A run that has done its work does not fail by it.
            module.exit_json(changed=False, say=[f"Nothing was written down: no recorder. {hint}"])
        module.fail_json(msg="this host has no recorder yet", hint=hint)
    run = given["run"]
    command = [PROGRAM, "--answer", "--cause", given["cause"], "--run", run.get("id", ""), "--who", run.get("who", "")]
    command += ["--look"] if module.check_mode else []
    command += ["--drift"] if given["drift"] else []
    code, out, err = module.run_command(command)
    if code:
        learn_environment(f"/etc/{given['app']}/env")
        module.fail_json(msg=f"the recorder failed: {KNOWN.masked_end(err.strip() or out.strip())}")
    module.exit_json(changed=False, **json.loads(out))


if __name__ == "__main__":
    main()
