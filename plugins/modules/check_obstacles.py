#!/usr/bin/python
"""Documentation of the action plugin `check_obstacles`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_obstacles
short_description: What others have on a machine does not stand in the way
description:
  - Looks, by one plain command and before anything is changed, for ports that another program has, for an sshd that
    lets somebody else in alone, for another cluster of PostgreSQL or another site of Nginx, for a firewall that closes
    the site's ports, and for a file system without room for another file. Each is one sentence, with what to do.
options:
  ports:
    description: The TCP ports that services get here, each with the units that may have it.
    type: dict
    default: {}
  users:
    description: Who has to be let in by ssh.
    type: list
    elements: str
    default: []
  postgresql:
    description: Version of PostgreSQL whose cluster becomes the application's; empty where there is to be none.
    type: str
    default: ""
  port:
    description: Port of that cluster.
    type: int
    default: 5432
  names:
    description: Names of the site, where Nginx is to serve it here.
    type: list
    elements: str
    default: []
  anyway:
    description: Tell what there is, and do not fail.
    type: bool
    default: false
author: Samestack
"""

EXAMPLES = r"""
- name: Look for what others have left
  samestack.core.check_obstacles:
    ports: {"80": [nginx.service]}
"""

RETURN = r"""
obstacles:
  description: One paragraph for each thing that is in the way.
  returned: success
  type: list
  elements: str
"""
