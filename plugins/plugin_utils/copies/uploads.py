"""Folders of uploads that go along with a copy: what is run on the two hosts, as the application and nobody else.

Files are read and written with the application's own rights, so a link that it made leads to nothing that it may not
read; and of what is there, only regular files leave. What is replaced stays in the application's own data folder until
the next copy.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What stands in braces is a word of a shell already. What an earlier copy has replaced never comes back.
LEAVE = """
cd {media}
for folder in {folders}; do if [ -d "$folder" ]; then find "$folder" -type f -print0; fi; done |
    tar --create --file=- --null --no-recursion --verbatim-files-from --files-from=-
"""
ARRIVE = """
umask 022
cd {media}
rm -rf .samestack-arriving {replaced}
mkdir .samestack-arriving {replaced}
chmod 700 {replaced}
echo {copy} > {replaced}/.copy
tar --extract --file=- --directory=.samestack-arriving --no-same-owner --keep-old-files
for folder in {folders}; do
    mkdir -p ".samestack-arriving/$folder" {replaced}/"$folder" "$folder"
    rmdir {replaced}/"$folder"
    mv -T "$folder" {replaced}/"$folder"
    mv -T ".samestack-arriving/$folder" "$folder"
done
rm -rf .samestack-arriving
"""
BACK = """
cd {media}
[ "$(cat {replaced}/.copy)" = {copy} ] || exit 0
for folder in {folders}; do
    if [ -d {replaced}/"$folder" ]; then rm -rf "$folder"; mv -T {replaced}/"$folder" "$folder"; fi
done
rm -rf .samestack-arriving
"""
REPLACED = "replaced-uploads"


class Application(NamedTuple):
    """Whose uploads they are: its user, MEDIA_ROOT, and the folder that is its own."""

    user: str
    media: str
    data: str


def command(script: str, app: Application, folders: Iterable[str], copy: str) -> str:
    """Return a command for root that runs a script as the application.

    Args:
        script: one of those above.
        app: whose they are.
        folders: those that are declared, relative to MEDIA_ROOT.
        copy: name of the copy with which they go along.
    """
    text = script.format(
        media=shlex.quote(app.media), replaced=shlex.quote(f"{app.data}/{REPLACED}"), copy=shlex.quote(copy),
        folders=" ".join(shlex.quote(f"./{folder}") for folder in folders),
    )  # fmt: skip
    return shlex.join(["runuser", "-u", app.user, "--", "sh", "-euc", text])
