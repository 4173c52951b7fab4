#!/usr/bin/python
"""Documentation of the action plugin `ask_from_outside`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ask_from_outside
short_description: What was meant to hold is what the running services say
description:
  - Asks the running sshd, by a connection of its own, how people may log in, and fails where that can be by a password.
  - Comes to the site's ports from the control node, where ssh does so directly, and tells of one that is closed.
options:
  keys_only:
    description: Nobody may log in by a password.
    type: bool
    default: true
  ports:
    description: TCP ports that visitors come to.
    type: list
    elements: int
    default: []
author: Samestack
"""

EXAMPLES = r"""
- name: Ask from outside
  samestack.core.ask_from_outside:
    ports: [80, 443]
"""

RETURN = r"""
methods:
  description: The ways of logging in that sshd offers; none where it was not asked.
  returned: success
  type: list
  elements: str
"""
