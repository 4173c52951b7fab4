"""What the steps of a build are given: `builder.Builder`, by what they use of it.

A file of its own, because whatever a step imports, if only for its types, travels to every host that gets that step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence

    from ..common.errors import HostError
    from ..common.stopwatch import Steps
    from .place import Place
    from .sandbox import Sandbox


class Building(Protocol):
    """One release that is being built on one host."""

    #: Parameters of the module release_build, and the release among them
    params: Mapping[str, Any]
    release: Mapping[str, Any]
    place: Place
    #: Folder of live code, "" for a release
    live_path: str
    #: The release's environment
    venv: str
    #: The Python that it is made with
    python: str
    #: What the application's own Python found
    found: dict[str, Any]
    steps: Steps
    sandbox: Sandbox
    #: Variables that a step of the build has turned out to insist on
    demanded: list[str]
    #: What people want to know of how it was built
    said: list[str]
    #: Folders of the source that are kept outside the releases
    writable_paths: list[str]
    #: Folder of the source that the settings have for media, "" where they take the machine's
    media: str
    #: The files of the source, before the build
    committed: set[str]

    def record(self) -> dict[str, Any]:
        """Return what release.json holds."""
        ...

    def attempt(
        self, command: Sequence[str], cwd: str, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a step as the build's account and return how it ended."""
        ...

    def fetch(
        self, command: Sequence[str], cwd: str, env: Mapping[str, str], *, knowing: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a step as the account that fetches and return how it ended."""
        ...

    def failure(self, what: str, output: str) -> HostError:
        """Return the error that says what failed and why."""
        ...
