#!/usr/bin/python
"""Documentation of the action plugin `check_inventory`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_inventory
short_description: The inventory keeps its laws
description:
  - Checks names, places and values of every variable in the inventory, the choice of hosts, the connections of a
    rehearsal and the secrets of the current environment. Reports all problems at once, each with variable, value, file
    and fix.
  - Runs on the control node and touches no host.
options:
  environments:
    description: Whether this run's hosts may be of several environments.
    type: str
    choices: [one, any]
    default: one
  fetches:
    description: The run makes a release of the code, and needs on this computer what that comes from.
    type: bool
    default: true
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
  description: The environments of this run.
  returned: always
  type: list
  elements: str
"""
