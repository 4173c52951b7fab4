#!/usr/bin/python
"""Documentation of the action plugin `pin_host_key`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pin_host_key
short_description: The host key of a new server is pinned
description:
  - Fetches the key of a server that has none in C(known_hosts) beside its inventory, shows the fingerprint, and pins
    the key when it is the expected one or somebody at the terminal says yes. It never replaces a key.
  - Runs on the control node and does not log in.
options:
  fingerprint:
    description: The expected fingerprint (C(SHA256:…)), or several for several servers, with spaces between.
    type: str
    default: ""
  accept:
    description: Pin without asking.
    type: bool
    default: false
author: Samestack
"""

EXAMPLES = r"""
- name: Pin the host's key
  samestack.core.pin_host_key:
    fingerprint: "{{ preflight_host_key_fingerprint }}"
  throttle: 1
"""

RETURN = r"""
fingerprint:
  description: Fingerprint of the key, where it was pinned now.
  returned: changed
  type: str
"""
