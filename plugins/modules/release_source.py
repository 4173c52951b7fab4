#!/usr/bin/python
"""Get the source of a release; the work is done by the action plugin of the same name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_source
short_description: The source of a release, what it is, and the release's id
description:
  - Runs on the control node. Fetches the source from git, Mercurial or a folder, finds manage.py, the settings module,
    the entry point and the file that lists the packages, and packs the source for shipping.
  - The id is the digest of everything that decides what the release contains.
options:
  app: {description: Name of the application., type: str, required: true}
  source:
    description: "Where the code comes from: type (git, hg, path), url or path, ref, deploy_key, known_hosts."
    type: dict
    required: true
  ref: {description: Branch, tag or commit of this run., type: str, default: ""}
  directory: {description: Folder of manage.py; found when empty., type: str, default: ""}
  settings: {description: Settings module; found when empty., type: str, default: ""}
  wsgi: {description: WSGI entry point; found when empty., type: str, default: ""}
  asgi: {description: ASGI entry point; used only when given or when there is no WSGI module., type: str, default: ""}
  requirements: {description: File that lists the packages; found when empty., type: str, default: ""}
  server: {description: gunicorn or granian., type: str, default: gunicorn}
  overlay: {description: Whether the machine's settings are laid over the application's., type: bool, default: true}
  python: {description: "Version of Python, or host for the hosts' own; found when empty.", type: str, default: ""}
  python_mirror: {description: Address that builds of Python are fetched from., type: str, default: ""}
  python_downloads: {description: "A list of builds as uv takes it: path or URL.", type: str, default: ""}
  pins: {description: Versions of the packages that may be added., type: dict, required: true}
  machine: {description: "Facts of the building host: python, os, release, architecture.", type: dict}
  look:
    description: "Only see that there is such a source (source), or what it is, too (project); no facts are needed."
    type: str
    choices: ["", source, project]
    default: ""
  machines: {description: "The same facts of all hosts that the release is for, by name.", type: dict, default: {}}
  writable_paths: {description: Folders that the application writes to., type: list, elements: str, default: []}
  extra_requirements: {description: "Packages beside the application's own.", type: list, elements: str, default: []}
  build_commands: {description: Commands run while building., type: list, elements: str, default: []}
  test_commands: {description: Commands that the release has to pass., type: list, elements: str, default: []}
  build_env: {description: Environment of the build., type: dict, default: {}}
  collectstatic: {description: Whether static files are collected., type: bool, default: true}
  dev_packages: {description: Whether live code has what the project is developed with., type: bool, default: true}
  live_path: {description: Folder on the host with live code; "" for a real release., type: str, default: ""}
author: Samestack
"""

EXAMPLES = r"""
- name: Fetch the source
  samestack.core.release_source:
    app: noticeboard
    source: {type: path, path: examples/noticeboard}
    pins: {gunicorn: 23.0.0, psycopg: 3.2.13}
    machine: "{{ ansible_facts.machine }}"
"""

RETURN = r"""
release:
  description: What the other steps need, the id and the archive among it.
  returned: success
  type: dict
say:
  description: What was found, in words.
  returned: success
  type: list
  elements: str
"""
