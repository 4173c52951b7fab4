"""The project that `wagtail start` gives, through the front door, with variables only."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.clone import PROJECT, Clone, suite


def checksums(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def generated(clone: Clone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated project."""
    folder = tmp_path_factory.mktemp("my own wagtail") / "mysite"
    generator = str(clone.folder / "tests/wagtail_project")
    environment = {**os.environ, "UV": str(PROJECT / ".samestack/uv/bin/uv")}
    done = subprocess.run([generator, str(folder)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def made(generated: Path) -> dict[str, str]:
    """Its files as they were generated."""
    return checksums(generated)


@pytest.fixture(scope="module")
def wagtail(clone: Clone, generated: Path, made: dict[str, str]) -> str:
    """What `./samestack up` printed."""
    assert made
    clone.decide(
        app_name="mysite",
        app_source={"type": "path", "path": str(generated)},
        app_settings_module="mysite.settings.production",
        app_redis=False,
        app_workers={},
        app_timers={},
        web_content_security_policy="",
    )
    return clone.samestack("up")


def test_the_site_is_served(clone: Clone, wagtail: str) -> None:
    assert "https://mysite.test" in wagtail
    assert clone.browser(wagtail).get("/").status == 200


@pytest.mark.usefixtures("wagtail")
def test_it_is_used(clone: Clone) -> None:
    done = suite(clone, "tests/site/wagtail")
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.usefixtures("wagtail")
def test_its_files_are_as_they_were(clone: Clone, generated: Path, made: dict[str, str]) -> None:
    clone.samestack("deploy")
    assert checksums(generated) == made


@pytest.mark.usefixtures("wagtail")
def test_destroy(clone: Clone) -> None:
    clone.samestack("destroy")
    assert str(clone.folder) not in Path("/etc/hosts").read_text(encoding="utf-8")
