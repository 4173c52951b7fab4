"""What people upload: Nginx hands it out, and no browser runs it as a part of the site."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.attacks.conftest import Actor
    from tests.support.browser import Answer
    from tests.support.machines import Machine

#: Types in which a browser runs nothing of the site's
INERT = ("image/", "video/", "audio/", "font/", "text/plain", "text/csv", "text/vtt", "application/pdf")
SHOWN = {
    "a.png": "image/png", "a.JPG": "image/jpeg", "a.webp": "image/webp", "a.pdf": "application/pdf",
    "a.mp4": "video/mp4", "a.txt": "text/plain", "a.svg": "image/svg+xml",
}  # fmt: skip
#: Whatever a browser, of today or of yesterday, runs or has run, and what it may take for that
ACTIVE = (
    "a.html", "a.htm", "a.HTML", "a.html.", "a.png.html", "a.xhtml", "a.xht", "a.shtml", "a.xml", "a.xsl",
    "a.xslt", "a.rdf", "a.rss", "a.atom", "a.mathml", "a.mml", "a.mht", "a.mhtml", "a.svgz", "a.js", "a.mjs",
    "a.css", "a.json", "a.wasm", "a.swf", "a.jar", "a.hta", "a.htc", "a.xul", "a.vbs", "a.php", "a.webmanifest",
    "a.appcache", "a.jnlp", "a.eml", "a.unknown", "none", ".htaccess", "html", "a.html;.unknown", "a.pdf.xhtml",
)  # fmt: skip
PAGE = "<html xmlns='http://www.w3.org/1999/xhtml'><script>alert(document.domain)</script></html>"
#: {name: what it leads to}
LINKS = {
    "log": "/var/log/nginx/access.log", "passwd": "/etc/passwd", "logs": "/var/log/nginx", "top": "/", "up": "../..",
    "media": "../media", "proc": "/proc/self/environ", "chain": "passwd", "page": "/etc/nginx/nginx.conf",
}  # fmt: skip
THROUGH = (
    "log", "passwd", "logs/access.log", "top/etc/passwd", "up/media/attempt/a.txt", "media/attempt/a.txt", "proc",
    "chain", "page", "top/proc/self/environ", "passwd/", "top//etc/passwd",
)  # fmt: skip


@pytest.fixture
def folder(app: Actor) -> Iterator[str]:
    """A folder among the uploads, as the application makes one."""
    path = f"/srv/{app.account}/shared/media/attempt"
    app.does(f"mkdir -p {path}")
    yield path
    app.does(f"rm -rf {path}")


def get(victim: Machine, name: str) -> Answer:
    return victim.browser().get(f"/media/attempt/{name.replace(';', '%3B')}", follow=False)


def kind(answer: Answer) -> str:
    return (answer.headers["Content-Type"] or "").partition(";")[0]


def test_no_upload_runs_as_a_part_of_the_site(victim: Machine, app: Actor, folder: str) -> None:
    app.does(f'cd {folder} && for name in {" ".join(map(repr, ACTIVE))}; do echo "{PAGE}" > "$name"; done')
    got_through = []
    for name in ACTIVE:
        answer = get(victim, name)
        assert (answer.status, PAGE in answer.text) == (200, True), name
        saved = (answer.headers["Content-Disposition"] or "").startswith("attachment")
        shut = "sandbox" in (answer.headers["Content-Security-Policy"] or "")
        harmless = kind(answer).startswith(INERT) and kind(answer) != "image/svg+xml"
        if answer.headers["X-Content-Type-Options"] != "nosniff" or not (harmless or (saved and shut)):
            got_through.append(f"{name}: {kind(answer)}")
    assert not got_through


def test_pictures_are_still_shown(victim: Machine, app: Actor, folder: str) -> None:
    app.does(f"cd {folder} && touch {' '.join(SHOWN)}")
    for name, wanted in SHOWN.items():
        answer = get(victim, name)
        assert (kind(answer), answer.headers["Content-Disposition"]) == (wanted, None), name
        # A drawing shows, and its scripts do not run.
        assert ("sandbox" in (answer.headers["Content-Security-Policy"] or "")) == (name == "a.svg"), name


def test_no_link_is_followed(victim: Machine, app: Actor, folder: str) -> None:
    made = " && ".join(f"ln -s {target} {name}" for name, target in LINKS.items())
    app.does(f"cd {folder} && touch a.txt && {made}")
    assert get(victim, "a.txt").status == 200
    found = {name: get(victim, name).status for name in THROUGH}
    assert {name: status for name, status in found.items() if status not in (403, 404)} == {}


def test_nobody_links_to_what_is_anothers(app: Actor, folder: str) -> None:
    """A second name of a file is no link that Nginx could tell from the first: the kernel refuses to make one."""
    for path in ("/etc/passwd", "/var/log/nginx/access.log"):
        status, _output = app.tries(f"ln {path} {folder}/second")
        assert status != 0, path
