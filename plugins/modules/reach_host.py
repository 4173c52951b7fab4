#!/usr/bin/python
"""Documentation of the action plugin `reach_host`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: reach_host
short_description: The host answers, is supported, has python3 and lets us use sudo
description:
  - One plain command over the connection answers all of it, before anything that needs python3 runs. Where something is
    missing, the message says what and how to put it in place.
author: Samestack
"""

EXAMPLES = r"""
- name: Check that the host can be worked on
  samestack.core.reach_host:
"""

RETURN = r"""
system:
  description: The operating system's id from os-release.
  returned: success
  type: str
release:
  description: Its release.
  returned: success
  type: str
python:
  description: Path of python3.
  returned: success
  type: str
"""
