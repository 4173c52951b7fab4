"""What is to be seen of environments' secrets without a value: which there are, which are old, which are lacking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..inventory.environment import ENVIRONMENTS
from ..inventory.files import label
from . import dates
from .keys import LOGIN, PASSING, read_secrets, secret_file
from .rotation import kinds
from .secret_file import words

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Other:
    """Another environment, as it is typed; where its secrets are, and their names (None: nobody wrote them down)."""

    words: str
    place: str
    names: frozenset[str] | None


def others(folder: Path, environment: str, *, local: bool) -> Iterator[Other]:
    """Yield the other environments that have secrets; of encrypted ones the names are beside them."""
    for name in ENVIRONMENTS:
        # Development has no server: its secrets are always local.
        here = local or name == "dev"
        path = secret_file(folder, name, local=here)
        if name == environment or not path.exists():
            continue
        try:
            known = set(read_secrets(path.read_text(encoding="utf-8")) if here else dates.read(path))
        except ValueError:
            known = set()
        yield Other(words(name, local=here), label(path, folder.parent), frozenset(known) if known else None)


def lasting(names: Iterable[str]) -> set[str]:
    """Return the names that every environment has to have: not those of a rotation."""
    return {name for name in names if name != LOGIN and not PASSING.match(name)}


def differences(environment: str, names: Iterable[str], known: Iterable[Other]) -> Iterator[str]:
    """Yield where the names of an environment (as it is typed) and of others differ, and what to do about it."""
    own = lasting(names)
    for other in known:
        if other.names is None:
            yield (
                f"{other.place}: nobody wrote down which secrets there are. `./samestack secrets {other.words}` does."
            )
            continue
        theirs = lasting(other.names)
        for lacks, lacking in ((other.words, own - theirs), (environment, theirs - own)):
            if lacking:
                yield (
                    f"{lacks} lacks {', '.join(sorted(lacking))}. Add it with `./samestack secrets {lacks} --edit`; "
                    "what nothing uses any more, take out of the other in the same way."
                )


def table(
    environment: str,
    known: Mapping[str, datetime.date | None],
    ages: Mapping[str, int],
    usual: int,
) -> Iterator[str]:
    """Yield a line for each secret: since when it has its value, and what to do where that is too long ago.

    Args:
        environment: as it is typed.
        known: the dates.
        ages: days that a secret may be old, by its name.
        usual: the same for all others.
    """
    rotated = {name: kind for kind, names in kinds().items() for name in names}
    today, width = dates.today(), max((len(name) for name in known), default=0)
    for name, date in known.items():
        if name == LOGIN:
            continue
        if passing := PASSING.match(name):
            kind = "all" if name.removesuffix(f"_{passing[1]}") in rotated else "index"
            yield f"{name:{width}}  a rotation is under way: `./samestack rotate {environment} {kind}` goes on with it"
            continue
        days, most = (today - date).days if date else None, ages.get(name, usual)
        text = f"{name:{width}}  " + (f"{date}, {days} day{'' if days == 1 else 's'}" if date else "unknown age")
        if days is None or days > most:
            how = renewing(environment, name, rotated)
            text += f"{'' if days is None else f', older than {most}'}: `{how}` gives it a new value"
        yield text


def renewing(environment: str, name: str, rotated: Mapping[str, str]) -> str:
    """Return the command that gives a secret of an environment a new value; `rotated`: kinds, by name."""
    how = f"rotate {environment} {rotated[name]}" if name in rotated else f"secrets {environment} --edit"
    return f"./samestack {how}"


def ages_section(
    environment: str, known: Mapping[str, datetime.date | None], ages: Mapping[str, int], usual: int
) -> dict[str, Any] | None:
    """Return the section `secrets` of the screen that shows how all is; None where no age is known.

    Its arguments are those of `table`.
    """
    rotated = {name: kind for kind, names in kinds().items() for name in names}
    days = {
        name: (dates.today() - date).days
        for name, date in known.items()
        if date and name != LOGIN and not PASSING.match(name)
    }
    if not days:
        return None
    old = [
        {
            "key": name, "level": "yellow", "text": f"{name} is {count} days old, more than {ages.get(name, usual)}",
            "since": 0, "tells": False, "unit": "", "mend": renewing(environment, name, rotated),
        }
        for name, count in days.items() if count > ages.get(name, usual)
    ]  # fmt: skip
    oldest = max(days, key=lambda name: days[name])
    return {"name": "secrets", "words": f"the oldest of {len(days)} is {days[oldest]} days old", "findings": old}
