"""Folders of the source that the application writes to, kept outside the releases: /srv/<app>/shared/paths/<folder>.

A release has a link in the place of each (the folder for media that settings name without the overlay leads to
/srv/<app>/shared/media in the same way), and what the commit has there beside it (`initial`): where the folder outside
is empty, the application's account copies that into it. Live code is no place for links: there systemd mounts the
folder outside over the one in the source, for the application's processes.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from typing import TYPE_CHECKING, Any

from ..common.errors import HostError
from ..common.folders import open_folder, tree
from .application import app_command
from .files import contents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .building import Building
    from .place import Place

#: What the commit has in these folders, beside the source of a release
INITIAL = "initial"
TAKE = f'''
for path; do
    mkdir -p "source/$path" "{INITIAL}/$path"
    cp -a "source/$path/." "{INITIAL}/$path/"
done
'''
# One folder and its link at a time
LEAD = 'while [ $# -gt 0 ]; do rm -rf "$1"; mkdir -p "$(dirname "$1")"; ln -s "$2" "$1"; shift 2; done'
UNPACK = "tar -x && chmod -R g+rwX ."
LOG = ".log"
#: What the role django writes where two accounts write to these folders
SHARE = "/usr/local/lib/samestack/{}-share"


def owner(folder: str) -> list[str]:
    """Return the words before a command that run it as the one whose folder it is, with no other right."""
    status = os.stat(folder)
    ids = [f"--reuid={status.st_uid}", f"--regid={status.st_gid}"]
    return ["setpriv", *ids, "--clear-groups", "--no-new-privs", "--"]


def take_initial(builder: Building) -> None:
    """Keep what the commit has in the folders, before anything of the build writes there."""
    if builder.writable_paths:
        step(builder, TAKE, builder.writable_paths, builder.place.folder)
    builder.committed = set(below(builder))


def lead_outside(builder: Building) -> None:
    """Put a link in the place of each folder, and take logs away that only the build has written."""
    links = [part for path in builder.writable_paths for part in (path, contents.kept_outside(contents.SOURCE + path))]
    if builder.media:
        links += [builder.media, contents.media_outside(contents.SOURCE + builder.media)]
    if links:
        step(builder, LEAD, links, builder.place.path("source"))
    logs = sorted(path for path in set(below(builder)) - builder.committed if path.endswith(LOG))
    if logs:
        step(builder, 'rm -f -- "$@"', logs, builder.place.path("source"))


def below(builder: Building) -> list[str]:
    """Return the files of the source that is built, while no step runs."""
    folder = builder.sandbox.path("source")
    return [path[len(folder) + 1 :] for path, _status in tree(folder)]


def step(builder: Building, script: str, arguments: Sequence[str], folder: str) -> None:
    """Run a script as the build's account; raises HostError."""
    done = builder.attempt(["/bin/sh", "-ec", script, "sh", *arguments], cwd=folder)
    if done.returncode:
        raise builder.failure("app_writable_paths", done.stdout + done.stderr)


def make_live(builder: Building) -> None:
    """Make the folders that live code lacks, as its owner: systemd would, as root, on the computer that it is on."""
    missing = [path for path in builder.writable_paths if not os.path.isdir(os.path.join(builder.live_path, path))]
    if missing:
        command = [*owner(builder.live_path), "mkdir", "-p", "--", *missing]
        done = subprocess.run(command, cwd=builder.live_path, capture_output=True, text=True, check=False)
        if done.returncode:
            raise HostError(
                f"app_writable_paths: {', '.join(missing)} cannot be made: {done.stderr.strip()}",
                "Make them in your checkout.",
            )


def ready(place: Place, account: Mapping[str, Any]) -> None:
    """See to it that the release finds its folders, with what the commit has in them where they are empty.

    `account` is the application's, as `app_command` takes it. Raises HostError.
    """
    inputs = (place.finished or {}).get("inputs") or {}
    uid = pwd.getpwnam(account["user"]).pw_uid
    for path in inputs.get("writable_paths") or []:
        target = os.path.join(place.root, contents.KEPT, path)
        try:
            with open_folder(target, uid) as folder:
                empty = not folder.names()
        except FileNotFoundError:
            raise HostError(
                f"app_writable_paths: this host has no folder for {path} yet.", "Run `./samestack provision` first."
            ) from None
        source = os.path.join(place.live_folder, path) if place.live_folder else place.path(INITIAL, path)
        if empty and os.path.isdir(source):
            fill(place, account, source, target)


def share(place: Place) -> None:
    """Let the application and the owner of its database change what the other has made, where these are two."""
    program = SHARE.format(os.path.basename(place.root))
    if os.path.exists(program):
        subprocess.run([program], capture_output=True, check=False)


def fill(place: Place, account: Mapping[str, Any], source: str, target: str) -> None:
    """Copy what is in a folder into another: one reads as the source's owner, the other writes as the application."""
    into = app_command(place, account, ["/bin/sh", "-ec", f'cd "$1" && {UNPACK}', "sh", target])
    reading = [*owner(source), "tar", "-c", "-C", source, "."]
    with subprocess.Popen(reading, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as packed:
        done = subprocess.run(into, stdin=packed.stdout, capture_output=True, text=True, errors="replace", check=False)
        code = packed.wait()
    if code or done.returncode:
        raise HostError(f"{source} could not be copied to {target}: {done.stderr.strip()}", "Run this again.")
