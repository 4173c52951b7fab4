"""A clone of Samestack that is a project, too: it gets the engine of another version, and what is the user's stays.

What somebody has changed in the engine's own files becomes a patch, and what was there before stays in git. Nothing is
written before all is known: then the patch, then the files.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from box.common import SetupError
from plugins.plugin_utils.files import write_whole

#: The user's: no version has a say in it. Files elsewhere that no version has are the user's as well.
YOURS = ("inventories/", "hooks/", "nginx/", "systemd/", "keys/", "stack.lock.yml", "sanitise.yml")
#: What `git diff` is told for a patch that `git apply` takes, whatever somebody has set for their own eyes
PATCH = (
    "--binary", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/", "--unified=3",
    "--no-relative",
)  # fmt: skip
#: What each path of a tree holds: its mode and its content's name
Tree = dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Move:
    """The way of a clone from what it has to another version."""

    folder: Path
    #: Commits and trees: what it was made from, what is there now, and what it is to become
    base: str
    now: str
    target: str
    new: str
    #: The engine's files that somebody has changed
    edited: tuple[str, ...]
    #: Nothing of the user's was ever touched: the example goes along.
    untouched: bool

    @property
    def patch(self) -> bytes:
        """What somebody has changed in the engine, as `git apply` takes it; a file in the way is a change to theirs."""
        known = tree(self.folder, self.base)
        options = ("--full-index", "--no-renames", *PATCH)
        parts = {
            self.base: [path for path in self.edited if path in known],
            self.target: [path for path in self.edited if path not in known],
        }
        return b"".join(
            git(self.folder, "--literal-pathspecs", "diff", *options, one, self.now, "--", *paths)
            for one, paths in parts.items()
            if paths
        )

    def make(self, patch: Path, message: str) -> None:
        """Write the patch, let the clone's files be those of the version, and commit that. Raises `SetupError`."""
        content = self.patch
        if content:
            write_whole(patch, content, 0o600)
        before = text(self.folder, "rev-parse", "HEAD")
        known, now, new = (tree(self.folder, one) for one in (before, self.now, self.new))
        again = [
            path
            for path, entry in known.items()
            if now.get(path) != entry and (path in self.edited or new.get(path) != entry)
        ]
        try:
            text(self.folder, "read-tree", before)
            if again:
                text(self.folder, "--literal-pathspecs", "checkout", "-q", before, "--", *again)
            # Only what is in the way was taken into the snapshot of files that git does not know.
            for path in now.keys() - known.keys():
                (self.folder / path).unlink(missing_ok=True)
            text(self.folder, "update-index", "-q", "--refresh", accept=(0, 1))
            text(self.folder, "read-tree", "-m", "-u", before, self.new)
            text(self.folder, "update-ref", "-m", message, "HEAD", self._commit(before, message), before)
        except SetupError:
            self._take_back(before, now)
            raise

    def _commit(self, before: str, message: str) -> str:
        if is_ancestor(self.folder, before, self.target) and self.new == text(
            self.folder, "rev-parse", f"{self.target}^{{tree}}"
        ):
            return self.target
        parents = ["-p", before]
        if not is_ancestor(self.folder, self.target, before):
            parents += ["-p", self.target]
        who = []
        if not text(self.folder, "config", "--get", "user.email", accept=(0, 1)):
            who = ["-c", "user.name=Samestack", "-c", "user.email=samestack@localhost"]
        return text(self.folder, *who, "commit-tree", self.new, *parents, "-m", message)

    def _take_back(self, before: str, now: Tree) -> None:
        """Let the files be what they were."""
        with tempfile.TemporaryDirectory() as scratch:
            index = str(Path(scratch) / "index")
            text(self.folder, "read-tree", self.now, index=index)
            text(self.folder, "checkout-index", "-q", "-f", "-a", index=index)
        for path in (tree(self.folder, self.target).keys() | tree(self.folder, before).keys()) - now.keys():
            (self.folder / path).unlink(missing_ok=True)
        text(self.folder, "read-tree", before)


def plan(folder: Path, target: str, newest: str) -> Move:
    """Return how a clone gets to a commit that it has; nothing is written.

    Args:
        folder: the clone.
        target: the version's commit.
        newest: the commit of the newest version that is known; what the clone was made from is one of its ancestors.

    Raises `SetupError` where it has nothing in common with Samestack, or a merge is not finished.
    """
    for name in ("MERGE_HEAD", "rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD"):
        if (folder / text(folder, "rev-parse", "--git-path", name)).exists():
            raise SetupError(f"{folder}: git is in the middle of something there (`git status`). Finish that first.")
    theirs, head = tree(folder, target), tree(folder, "HEAD")
    now = snapshot(folder, [path for path in theirs.keys() - head.keys() if os.path.lexists(folder / path)])
    mine = tree(folder, now)
    found = {text(folder, "merge-base", "HEAD", one, accept=(0, 1)) for one in (target, newest)}
    # Where it went back, its history has what it is not made from any more.
    found |= {text(folder, "rev-parse", "-q", "--verify", f"refs/tags/v{version(folder)}^{{commit}}", accept=(0, 1))}
    bases = {one: tree(folder, one) for one in sorted(found - {""})}
    if not bases:
        raise SetupError(f"{folder}: its history has nothing in common with {target[:12]}, so no update is known.")
    base = min(bases, key=lambda one: len(changed(bases[one], mine)))
    was = bases[base]
    edited = sorted(
        path for path in changed(was, mine) if mine.get(path) != theirs.get(path) and (path in was or path in theirs)
    )
    yours = {path for path in mine.keys() | was.keys() if is_yours(path)}
    untouched = all(mine.get(path) == was.get(path) for path in yours)
    new = {path: entry for path, entry in theirs.items() if untouched or not is_yours(path)}
    own = {
        path: entry
        for path, entry in head.items()
        if (is_yours(path) and not untouched) or (path not in was and path not in theirs)
    }
    return Move(folder, base, now, target, written(folder, new | own), tuple(edited), untouched)


def is_yours(path: str) -> bool:
    """Return whether a file of a clone is the user's, by its path."""
    return path.startswith(YOURS)


def changed(before: Tree, after: Tree) -> list[str]:
    """Return the engine's paths that two trees hold differently."""
    paths = before.keys() | after.keys()
    return [path for path in paths if before.get(path) != after.get(path) and not is_yours(path)]


def version(folder: Path) -> str:
    """Return what a clone's commit calls itself."""
    said = text(folder, "show", "HEAD:galaxy.yml", accept=(0, 128))
    return next((line.split()[1] for line in said.splitlines() if line.startswith("version: ")), "0")


def snapshot(folder: Path, more: list[str]) -> str:
    """Return the tree of what is there now: what git knows, as it is, and some files more."""
    with tempfile.TemporaryDirectory() as scratch:
        index = str(Path(scratch) / "index")
        text(folder, "read-tree", "HEAD", index=index)
        text(folder, "add", "-u", index=index)
        if more:
            text(folder, "--literal-pathspecs", "add", "-f", "--", *more, index=index)
        return text(folder, "write-tree", index=index)


def written(folder: Path, entries: Tree) -> str:
    """Return the tree with some entries."""
    lines = "".join(f"{mode} {name}\t{path}\0" for path, (mode, name) in entries.items())
    with tempfile.TemporaryDirectory() as scratch:
        index = str(Path(scratch) / "index")
        git(folder, "update-index", "-z", "--index-info", stdin=lines.encode("utf-8", "surrogateescape"), index=index)
        return text(folder, "write-tree", index=index)


def tree(folder: Path, of: str) -> Tree:
    """Return what a commit or a tree holds."""
    listed = git(folder, "ls-tree", "-r", "-z", "--full-tree", of).decode("utf-8", "surrogateescape")
    found: Tree = {}
    for line in filter(None, listed.split("\0")):
        about, _, path = line.partition("\t")
        mode, _kind, name = about.split()
        found[path] = (mode, name)
    return found


def is_ancestor(folder: Path, one: str, other: str) -> bool:
    """Return whether a commit is in another one's history."""
    return text(folder, "merge-base", one, other, accept=(0, 1)) == one


def text(folder: Path, *arguments: str, accept: tuple[int, ...] = (0,), index: str = "") -> str:
    """Run git and return what it wrote, without the line's end; "" where it failed as it may. Raises `SetupError`."""
    return git(folder, *arguments, accept=accept, index=index).decode("utf-8", "surrogateescape").strip()


def git(folder: Path, *arguments: str, accept: tuple[int, ...] = (0,), stdin: bytes = b"", index: str = "") -> bytes:
    """Run git in a clone, on its own index or on another file, and return what it wrote. Raises `SetupError`."""
    environment = {"GIT_INDEX_FILE": index} if index else {}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env=os.environ | environment,
        input=stdin,
        capture_output=True,
        check=False,
    )
    if done.returncode not in accept:
        said = done.stderr.decode(errors="replace").strip()
        raise SetupError(f"`git {arguments[0]}` failed in {folder}:\n  {said}")
    return bytes(done.stdout) if not done.returncode else b""
