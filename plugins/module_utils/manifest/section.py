"""What a file of sections declares: `SECTIONS`, its collectors; `SERVICE`, what other sections know of its service."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .reading.live import Live
    from .reading.machine import Host, Section


@dataclass(frozen=True)
class Collector:
    """One section of the manifest."""

    name: str
    #: Returns the section; raises MissingError where it cannot be had
    collect: Callable[[Host, Live], Section]
    #: A section that reads the same things: this one is collected after it, and never beside it
    after: str = ""
    #: Takes long: it is begun first, and others are collected meanwhile
    slow: bool = False
    #: Tells the host its secrets, before anything is collected
    learn: Callable[[Host], object] | None = None


@dataclass(frozen=True)
class Service:
    """What the sections `units`, `files` and `certificates` know of a service. `*` in a path stands for `/`, too."""

    #: Patterns (re) of its units' names, without `.service`
    units: tuple[str, ...] = ()
    #: Certificates that it shows; here `*` is one folder's (glob)
    certificates: tuple[str, ...] = ()
    #: Files that no other machine has
    own_files: tuple[str, ...] = ()
    #: Files that not everybody may read and that are compared all the same: {path: pattern (re, MULTILINE) of the lines
    #: that are secret, "" for none}
    open_files: Mapping[str, str] = field(default_factory=dict)
