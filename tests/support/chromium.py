"""Looks at a page with headless Chromium."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from typing import TYPE_CHECKING

import html5lib
import pytest

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 120
NAMES = ("chromium", "chromium-browser", "google-chrome")
#: What people like to look at, as Blink counts it
DARK, LIGHT = 0, 1
# The tests' machine may have no sandbox to offer, and no graphics.
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")


def chromium(page: Path, *options: str) -> str:
    """Return what Chromium prints about a page on this computer; fails when it cannot be started."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if not program:
        pytest.skip("this computer has no Chromium")
    with tempfile.TemporaryDirectory(prefix="samestack-chromium-") as profile:
        command = [program, *OPTIONS, f"--user-data-dir={profile}", *options, page.resolve().as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return done.stdout


def screenshot(page: Path, picture: Path, width: int = 1250, height: int = 1700, scheme: int = LIGHT) -> None:
    """Take a picture of a page (PNG)."""
    wanted = f"--blink-settings=preferredColorScheme={scheme}"
    chromium(page, f"--window-size={width},{height}", wanted, f"--screenshot={picture}")


def cells(page: Path) -> dict[tuple[str, str], str]:
    """Return the class of each cell of the matrix by (environment, section), after the page's script has run."""
    document = html5lib.parse(chromium(page, "--dump-dom"), namespaceHTMLElements=False)
    buttons = [one for one in document.iter("button") if one.get("data-section")]
    found = {}
    for button in buttons:
        (kind,) = set((button.get("class") or "").split()) - {"cell"}
        found[button.get("data-environment", ""), button.get("data-section", "")] = kind
    return found


def shown_sections(page: Path) -> list[str]:
    """Return the sections that the script shows at the beginning."""
    document = html5lib.parse(chromium(page, "--dump-dom"), namespaceHTMLElements=False)
    parts = [one for one in document.iter("section") if (one.get("id") or "").startswith("section-")]
    return [one.get("id", "").removeprefix("section-") for one in parts if one.get("hidden") is None]
