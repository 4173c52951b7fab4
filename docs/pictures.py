"""The pictures of README, from real runs: `python -m docs.pictures`.

Needs a clone where `./samestack up` and `./samestack rehearse` have been typed, Chromium, and tmux, which is the
terminal: what a run draws over is gone in the picture, as it is for whoever watches.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.support.chromium import screenshot

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "pictures"
PARITY_PAGE = ROOT / ".samestack" / "parity.html"
COLUMNS, LINES, PATIENCE_SECONDS = 108, 60, 600
DEPLOY, PARITY = "./samestack deploy staging --rehearsal", "./samestack parity --rehearsal"
#: The page's picture, in pixels
PAGE_WIDTH, PAGE_HEIGHT = 1250, 900


def tmux(*arguments: str) -> str:
    """Run a command of a tmux server of our own; returns its output."""
    command = ["tmux", "-L", "samestack-pictures", "-f", "/dev/null", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def watched(command: str) -> str:
    """Return what a terminal shows after a command, with its colours; raises TimeoutError when it does not end."""
    done = f"tmux -L samestack-pictures wait-for -S done; sleep {PATIENCE_SECONDS}"
    tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(LINES), f"{command}; {done}")
    try:
        subprocess.run(
            ["tmux", "-L", "samestack-pictures", "wait-for", "done"], check=True, timeout=PATIENCE_SECONDS, cwd=ROOT
        )
        time.sleep(0.5)
        return tmux("capture-pane", "-p", "-e", "-S", "-")
    finally:
        tmux("kill-server")


def drawn(command: str, shown: str, title: str = "samestack") -> str:
    """Return a picture (SVG) of a terminal in which a command was typed. It loads nothing from anywhere."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    console.print(Text.from_ansi(shown.rstrip()))
    picture = console.export_svg(title=title, unique_id="terminal")
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL).replace(str(ROOT), "…")


def main() -> None:
    """Write all pictures anew."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "deploy.svg").write_text(drawn(DEPLOY, watched(DEPLOY)), encoding="utf-8")
    watched(PARITY)
    screenshot(PARITY_PAGE, FOLDER / "parity-page.png", PAGE_WIDTH, PAGE_HEIGHT)
    sys.stdout.write(f"{FOLDER.relative_to(ROOT)}: {', '.join(sorted(path.name for path in FOLDER.iterdir()))}\n")


if __name__ == "__main__":
    main()
