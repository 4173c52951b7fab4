#!/usr/bin/python
"""Documentation of the action plugin `check_stack`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_stack
short_description: The locked versions can be had
description:
  - Fails once, with the whole list of all hosts and the ways out, where a look of C(stack_install) (registered as
    C(host_stack_look)) found that a locked version is not to be had.
  - Runs on the control node and touches no host.
options: {}
author: Samestack
"""

EXAMPLES = r"""
- name: Check that the locked versions are available
  samestack.core.check_stack:
  run_once: true
"""

RETURN = "{}"
