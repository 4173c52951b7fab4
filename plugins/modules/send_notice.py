#!/usr/bin/python
"""Documentation of the action plugin `send_notice`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: send_notice
short_description: People are told about a deployment, a rollback, a promotion
description:
  - Sends a notice to services such as e-mail and chats, from the control node, by Apprise.
  - What cannot be sent is a warning and no failure. In check mode nothing is sent.
options:
  urls:
    description: The services, as Apprise takes them. They hold secrets, which no result and no warning shows.
    type: list
    elements: str
    required: true
  run:
    description: The current run (verb, who, environment); preflight's when left out.
    type: dict
    default: {}
  notice:
    description:
      - C(event), C(app), C(from) and C(to) (releases), C(from_label), C(label), C(commits), C(site).
      - After the event start, the callback C(samestack.core.result_notification) sends the event end by itself.
    type: dict
    required: true
author: Samestack
"""

EXAMPLES = r"""
- name: Send the start notification
  samestack.core.send_notice:
    urls: "{{ release_notices_urls }}"
    notice: {event: start, app: noticeboard, from: 0a1b2c3d4e5f, to: 5f4e3d2c1b0a, label: v1.2}
  run_once: true
"""

RETURN = r"""
warnings:
  description: What could not be sent, and why.
  returned: when something could not be sent
  type: list
  elements: str
"""
