#!/usr/bin/python
"""Documentation of the action plugin `audit_host`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: audit_host
short_description: What an audit measures on the host itself
description:
  - Runs Lynis, OpenSCAP's CIS benchmark, systemd-analyze security, Django's C(check --deploy), the rules of role host,
    and a search for the environment's secrets where others could read them. The tools come from Debian's archive into a
    folder that is removed; the answer is kept on the control node.
options:
  app: {description: Name of the application., type: str, required: true}
  environment: {description: The environment., type: str, required: true}
author: Samestack
"""

EXAMPLES = r"""
- name: Measure the host
  samestack.core.audit_host:
    app: noticeboard
    environment: staging
"""

RETURN = r"""
file: {description: Where the answer is kept on the control node., type: path, returned: success}
"""
