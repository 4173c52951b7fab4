#!/usr/bin/python
"""Documentation of the action plugin `check_inventory`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_inventory
short_description: The inventory keeps its laws
description:
  - Checks names, places and values of every variable in the inventory, the choice of hosts, the connections of a
    rehearsal and the secrets of the environment in hand. Reports all problems at once, each with variable, value, file
    and fix.
  - Runs on the control node and touches no host.
options:
  environments:
    description: Whether the hosts in hand may be of several environments.
    type: str
    choices: [one, any]
    default: one
author: Samestack
"""

EXAMPLES = r"""
- name: Validate the inventory
  samestack.core.check_inventory:
  run_once: true
"""

RETURN = r"""
problems:
  description: One paragraph a problem.
  returned: always
  type: list
  elements: str
environments:
  description: The environments in hand.
  returned: always
  type: list
  elements: str
"""
