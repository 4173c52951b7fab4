#!/usr/bin/python
"""Documentation of the action plugin `lock_stack`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lock_stack
short_description: The stack lock says which package versions the machines have
description:
  - Writes C(stack.lock.yml) anew for the OS releases and architectures of this run's hosts, by what C(machine_facts)
    found on them. Other sections, and packages that none of these hosts has, stay.
  - Fails where hosts do not have the same version of a package, with the list.
  - Runs on the control node and touches no host.
options:
  environment: {description: "The current environment, for messages.", type: str, default: ""}
author: Samestack
"""

EXAMPLES = r"""
- name: Write the stack lock
  samestack.core.lock_stack:
    environment: dev
  run_once: true
"""

RETURN = r"""
say: {description: What changed, in words., type: list, elements: str, returned: success}
"""
