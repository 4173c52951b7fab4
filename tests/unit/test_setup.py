"""What box/setup leaves behind."""

from __future__ import annotations

import sys
from pathlib import Path
from pkgutil import resolve_name

import pytest


@pytest.mark.parametrize("module", ["ansible.cli.playbook", "ansible.template", "jinja2.compiler", "yaml.constructor"])
def test_what_every_run_imports_is_compiled(module: str) -> None:
    source = Path(str(resolve_name(module).__file__))
    assert (source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc").is_file()
