#!/usr/bin/python
"""Documentation of the action plugin `rotate_secrets`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rotate_secrets
short_description: The next step by which secrets of an environment get new values
description:
  - A new value is accepted, used, and the one before refused, each with a run of C(site.yml) behind it. This makes one
    step in the file of secrets; where a rotation stands is said by the names in it.
  - No value is shown. Runs on the control node and touches no host.
options:
  kinds:
    description: What is rotated, such as C(app_key), C(ca), C(database).
    type: list
    elements: str
    required: true
  applied: {description: The machines have what the file says., type: bool, default: false}
  finish: {description: The secret key before is refused at once., type: bool, default: false}
  network: {description: The application reaches its database over the network., type: bool, default: false}
  application:
    description:
      - What the running application says of its settings (JSON), where its secret key is among the kinds and was
        applied. C(django) is its version, C(fallbacks) the number of further keys that it accepts, C(seconds) how long
        what it has signed is good for.
    type: str
    default: ""
author: Samestack
"""

EXAMPLES = r"""
- name: Bring in new passwords
  samestack.core.rotate_secrets:
    kinds: [database, ca]
  run_once: true
"""

RETURN = r"""
answer:
  description: C(remaining) kinds, whether the machines have to C(apply) what is there now, what to C(say).
  returned: success
  type: dict
"""
