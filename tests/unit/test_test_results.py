"""What comes of the tests' own parts: what failed is named once more at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.runner.parts import REPO, Part, Report, tool

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TESTS = """import pytest

def test_holds(): pass
def test_breaks(): assert 1 == 2
def test_is_left_out(): pytest.skip("no need")
"""


def test_what_failed_is_named_at_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_some.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "test_broken.py").write_text("import nothing_of_that_name\n", encoding="utf-8")
    report = Report()
    # With this project's own plugin, which counts
    command = [tool("pytest"), "-q", "-p", "tests.conftest", "--continue-on-collection-errors", str(tmp_path)]
    assert not report.run([Part("some", command, environment={"PYTHONPATH": str(REPO)})])
    assert report.finish() == 1
    end = capsys.readouterr().out.partition("Failed: some\n")[2]
    assert "  some: test_breaks: " in end
    assert "nothing_of_that_name" in end
    assert "test_holds" not in end and "no need" not in end
    assert end.endswith("1 passed, 2 failed\n")
