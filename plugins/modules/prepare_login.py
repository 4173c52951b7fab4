#!/usr/bin/python
"""Documentation of the action plugin `prepare_login`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: prepare_login
short_description: The user that Ansible works as can log in, use sudo and finds python3
description:
  - Looks by one plain ssh command. Where something is missing, it logs in as the first of C(users) that can, installs
    python3 and sudo, makes the connection's user with passwordless sudo, and gives it the public key of that log-in.
options:
  users:
    description: Users to try, in this order.
    type: list
    elements: str
    required: true
  public_key:
    description: File with the public key that the user gets; empty is the one that the first log-in used.
    type: path
    default: ""
author: Samestack
"""

EXAMPLES = r"""
- name: Prepare the login
  samestack.core.prepare_login:
    users: [root, ubuntu]
"""

RETURN = r"""
bootstrap_user:
  description: The user that prepared the server.
  returned: changed
  type: str
"""
