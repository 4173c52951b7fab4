"""The envelope of a manifest: what one host was found to run, and what is known around it. Runs on the control node.

A file an envelope, under `.samestack/manifests/`. Nothing that is compared comes from anywhere else, so that everything
can be compared again without a host.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..answers import ShapeError, plain
from ..errors import SamestackError
from ..files import write_whole
from .answers import BASELINE, DIGEST, MANIFEST, RECORDING, TIME

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Of the manifest and of what is around it: a host with another one has to be provisioned by the same code first.
SCHEMA = 1
NEEDED: dict[str, type[Any] | tuple[type[Any], ...]] = {
    "environment": str, "host": str, "functions": list, "time": str, "digest": str, "manifest": dict, "declared": dict,
}  # fmt: skip


class EnvelopeError(SamestackError):
    """A file that is no envelope; the text names it, what is wrong, and what to do."""

    def __init__(self, file: str, wrong: str, mend: str) -> None:
        """Take the file's name, what is wrong with it and what mends it, without full stops."""
        super().__init__(f"{file}: {wrong}. {mend}.")


@dataclass(frozen=True)
class Envelope:
    """One host at one moment."""

    environment: str
    host: str
    functions: tuple[str, ...]
    #: UTC, as `2026-11-25T14:03:00Z`
    time: str
    digest: str
    manifest: Mapping[str, Any]
    #: What the inventory says of it: variables, tokens, intended, topology (see `parity_declared`)
    declared: Mapping[str, Any]
    cause: str = "asked"
    #: The last manifest that a run of ours recorded: time, cause, run, who, digest, manifest
    baseline: Mapping[str, Any] | None = None
    history: tuple[Mapping[str, Any], ...] = ()
    #: A local machine that stands in for the environment's own
    rehearsal: bool = False
    file: str = field(default="", compare=False)

    @cached_property
    def sections(self) -> Mapping[str, Mapping[str, Any]]:
        """What was found, section by section."""
        found: Mapping[str, Mapping[str, Any]] = self.manifest["sections"]
        return found

    @cached_property
    def missing(self) -> Mapping[str, str]:
        """Why a section, or a key (`section/key`), could not be read."""
        found: Mapping[str, str] = self.manifest.get("missing") or {}
        return found

    @cached_property
    def before(self) -> Mapping[str, Mapping[str, Any]] | None:
        """The sections of the baseline, None without one."""
        manifest = (self.baseline or {}).get("manifest")
        return None if not manifest else manifest["sections"]

    def as_dict(self) -> dict[str, Any]:
        """Return what is written to the file."""
        return {
            "schema": SCHEMA, "environment": self.environment, "host": self.host, "functions": list(self.functions),
            "time": self.time, "cause": self.cause, "digest": self.digest, "rehearsal": self.rehearsal,
            "manifest": self.manifest, "baseline": self.baseline, "history": list(self.history),
            "declared": self.declared,
        }  # fmt: skip


def from_dict(values: Any, file: str) -> Envelope:
    """Return the envelope in parsed JSON; raises EnvelopeError, which names the file."""
    if not isinstance(values, dict):
        raise EnvelopeError(file, "it holds no envelope of a manifest", _again(file))
    check_schema(values.get("schema"), file)
    for name, kind in NEEDED.items():
        if not isinstance(values.get(name), kind):
            raise EnvelopeError(file, f"`{name}` is missing or is not what it should be", _again(file))
    check_manifest(values["manifest"], file)
    _check_shapes(values, file)
    baseline = values.get("baseline") or None
    # Recorded before an update of this code: nothing can be told of what changed since.
    if baseline and (baseline.get("manifest") or {}).get("schema") != SCHEMA:
        baseline = None
    return Envelope(
        environment=values["environment"], host=values["host"], functions=tuple(values["functions"]),
        time=values["time"], digest=values["digest"], manifest=values["manifest"], declared=values["declared"],
        cause=str(values.get("cause") or "asked"), baseline=baseline,
        history=tuple(values.get("history") or ()), rehearsal=bool(values.get("rehearsal")), file=file,
    )  # fmt: skip


def _check_shapes(values: Mapping[str, Any], file: str) -> None:
    """Raise EnvelopeError for an envelope that an earlier version may have taken from a host that means no good."""
    try:
        plain(values)
        for name, shape in (("time", TIME), ("digest", DIGEST), ("manifest", MANIFEST)):
            shape.check(values[name], name)
        baseline = values.get("baseline")
        if baseline and (baseline.get("manifest") or {}).get("schema") == SCHEMA:
            BASELINE.check(baseline, "baseline")
        for line in values.get("history") or ():
            RECORDING.check(line, "history")
    except ShapeError as error:
        raise EnvelopeError(file, str(error), _again(file)) from None


def check_manifest(manifest: Any, file: str) -> None:
    """Raise EnvelopeError where this is no manifest of the schema that is compared here."""
    if not isinstance(manifest, dict):
        raise EnvelopeError(file, "it holds no manifest", _again(file))
    check_schema(manifest.get("schema"), file)
    sections = manifest.get("sections")
    if not isinstance(sections, dict) or not all(isinstance(section, dict) for section in sections.values()):
        raise EnvelopeError(file, "its manifest has no sections", _again(file))


def check_schema(schema: Any, file: str) -> None:
    """Raise EnvelopeError where a file is of another schema than this code reads."""
    if schema == SCHEMA:
        return
    newer = isinstance(schema, int) and schema > SCHEMA
    mend = (
        "Update this clone (`git pull`): another one has provisioned the host with newer code"
        if newer
        else "Provision the host with this clone (`./samestack provision`), then record it anew: `./samestack parity`"
    )
    raise EnvelopeError(file, f"its schema is {schema!r}, and this code compares manifests of schema {SCHEMA}", mend)


def read_envelope(path: Path, name: str = "") -> Envelope:
    """Return the envelope in a file; raises EnvelopeError, which calls it by `name` where one is given."""
    file = name or str(path)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise EnvelopeError(file, f"it cannot be read: {error.strerror}", _again(file)) from error
    except (ValueError, RecursionError) as error:
        raise EnvelopeError(file, "it is not whole: a run was cut off, or the disk was full", _again(file)) from error
    return from_dict(values, file)


def write_envelope(path: Path, envelope: Envelope) -> None:
    """Write an envelope whole or not at all; only its owner can read it."""
    text = json.dumps(envelope.as_dict(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    write_whole(path, text, 0o600)


def _again(file: str) -> str:
    return f"Delete {file} and record the host anew: `./samestack parity`"
