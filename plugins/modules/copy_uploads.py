#!/usr/bin/python
"""Documentation of the action plugin `copy_uploads`."""

from __future__ import annotations

DOCUMENTATION = r"""
module: copy_uploads
short_description: Uploads go along with a copy of the database
description:
  - C(left) brings the folders that sanitise.yml declares (C(uploads)) from a host to the control node, as a file that
    nobody else reads. C(arrived) puts them in the place of those on another host; what was there stays in the
    application's data folder until the next copy, and C(put_back) gives it its place again.
  - Only regular files go along. On both hosts everything is done as the application.
options:
  state: {description: What is wanted., type: str, choices: [left, arrived, put_back], required: true}
  user: {description: User that runs the application., type: str, required: true}
  media: {description: Where uploads are., type: path, required: true}
  data: {description: What the application keeps for itself., type: path, required: true}
  file: {description: The copy on the control node; the uploads lie beside it., type: path, required: true}
author: Samestack
"""

EXAMPLES = r"""
- name: Bring the uploads
  samestack.core.copy_uploads:
    state: left
    user: noticeboard
    media: /srv/noticeboard/shared/media
    data: /srv/noticeboard/shared/data
    file: /home/me/mysite/.samestack/copies/production.pgdump
"""

RETURN = r"""
say: {description: What happened, in words., type: list, elements: str, returned: success}
"""
