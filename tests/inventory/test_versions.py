"""Versions that are written in two places are the same."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def test_the_hosts_get_the_uv_that_this_computer_has() -> None:
    here = re.search(r'^UV_VERSION = "([^"]+)"', (ROOT / "box/setup.py").read_text(), re.MULTILINE)
    there = yaml.safe_load((ROOT / "roles/host/defaults/main.yml").read_text())["host_uv_version"]
    assert here is not None
    assert here[1] == there
