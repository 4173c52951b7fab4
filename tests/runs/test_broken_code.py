"""Live code that cannot be imported says so on the page, with file and line, until it is mended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FILES = Path(__file__).parents[2] / "roles" / "django" / "files"
WSGI = """
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
"""
SETTINGS = "INSTALLED_APPS = ['shop']\nSECRET_KEY = 'x'\n"
ASK = """
import sys
from wsgiref.util import setup_testing_defaults
from samestack_serve import application
environ, told = {}, []
setup_testing_defaults(environ)
body = b"".join(application(environ, lambda status, headers: told.append((status, dict(headers)))))
print(told[0][0], told[0][1]["Content-Security-Policy"], body.decode(), sep="\\n")
"""
ASK_ASGI = """
import asyncio
from samestack_serve import application
async def send(message):
    print(message.get("status") or message["body"].decode())
asyncio.run(application({"type": "http", "method": "GET", "path": "/", "headers": []}, None, send))
"""
#: Ends where the process lives on though a file was saved
MENDED = """
import pathlib, time
from samestack_serve import application
pathlib.Path("shop/models.py").write_text("")
time.sleep(20)
"""
BROKEN = {
    "syntax": ("shop/models.py", "a = 1\nif a = 2:\n    pass\n", "shop/models.py, line 2", "SyntaxError"),
    "a name": ("shop/models.py", "\n\nnowhere\n", "shop/models.py, line 3", "NameError: name &#x27;nowhere&#x27;"),
    "settings": ("settings.py", "import os\nx = os.environ['NOT_THERE']\n", "settings.py, line 2", "NOT_THERE"),
    "a package": ("shop/models.py", "import no_such_package\n", "shop/models.py, line 1", "no_such_package"),
    "an end": ("settings.py", "raise SystemExit('no <b>key</b>')\n", "settings.py, line 1", "no &lt;b&gt;key"),
}


def ask(folder: Path, program: str = ASK, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": f"{FILES}:{folder}", "SAMESTACK_REQUEST_TIMEOUT": "30",
        "DEBUG": "True", "SAMESTACK_APPLICATION": "samestack_live:application",
        "SAMESTACK_BASE_APPLICATION": "wsgi:application", **more,
    }  # fmt: skip
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    for name, text in {"wsgi.py": WSGI, "settings.py": SETTINGS, "shop/__init__.py": "", "shop/models.py": ""}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("case", BROKEN)
def test_the_page_says_file_and_line(project: Path, case: str) -> None:
    name, text, where, what = BROKEN[case]
    (project / name).write_text(text, encoding="utf-8")
    done = ask(project)
    assert done.returncode == 0, done.stderr
    status, policy, page = done.stdout.split("\n", 2)
    assert status == "500 Internal Server Error"
    assert "default-src 'none'" in policy
    assert where in page
    assert what in page
    assert "Traceback (most recent call last)" in done.stderr, "the log has it, too"
    asked = ask(project, ASK_ASGI, SAMESTACK_INTERFACE="asgi")
    assert asked.stdout.startswith("500\n"), asked.stderr
    assert where in asked.stdout


@pytest.mark.parametrize("more", [{"DEBUG": "False"}, {"SAMESTACK_APPLICATION": "wsgi:application"}])
def test_nobody_else_is_shown_it(project: Path, more: dict[str, str]) -> None:
    (project / "shop/models.py").write_text("if a = 2:\n", encoding="utf-8")
    done = ask(project, **more)
    assert done.returncode == 1
    assert "SyntaxError" in done.stderr
    assert not done.stdout


def test_a_saved_file_makes_way_for_a_new_process(project: Path) -> None:
    (project / "shop/models.py").write_text("if a = 2:\n", encoding="utf-8")
    done = ask(project, MENDED)
    assert done.returncode == -15, done.stderr
