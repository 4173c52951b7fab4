"""Backups as people read them. Pure; the control node uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...module_utils.backup.judging import moment, problems, remarks, span
from ..text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Moments that are shown
SHOWN = 8
GAP = "  "
UNITS = ("B", "KB", "MB", "GB", "TB")
THOUSAND = 1000


class View:
    """What the hosts of an environment say of its backups."""

    def __init__(self, environment: str, found: Mapping[str, Mapping[str, Any]], lost: Iterable[str] = ()) -> None:
        """Take the environment's name, each host's answer, and the hosts that did not answer."""
        self.environment, self.lost = environment, list(lost)
        # A repository that another host keeps is no matter of the same disk.
        kept = any(one["off_machine"] for status in found.values() for one in status["repositories"])
        self.found = {host: {**status, "kept": kept} for host, status in found.items()}

    @property
    def repositories(self) -> list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
        """Return host, its answer and a repository, those off the machine first."""
        rows = [(host, status, one) for host, status in self.found.items() for one in status["repositories"]]
        return sorted(rows, key=lambda row: not row[2]["off_machine"])

    @property
    def until(self) -> float:
        """Return until when everything can be restored, by those off the machine where there are any; 0: never."""
        off = [one["until"] for _, _, one in self.repositories if one["off_machine"]]
        return max(off or [one["until"] for _, _, one in self.repositories], default=0)

    @property
    def problems(self) -> list[str]:
        """Return everything that is wrong."""
        lines = [f"{host}: {line}" for host, status in self.found.items() for line in problems(status).values()]
        return [*(f"{host}: it did not say how its backups stand." for host in self.lost), *lines]

    def as_data(self) -> dict[str, Any]:
        """Return everything, for programs."""
        now = max((status["time"] for status in self.found.values()), default=0)
        return {
            "environment": self.environment, "time": now, "restorable_until": self.until or None,
            "age": round(now - self.until, 1) if self.until else None, "problems": self.problems,
            "remarks": self.remarks, "lost": self.lost, "hosts": self.found,
        }  # fmt: skip

    @property
    def remarks(self) -> list[str]:
        """Return what is to be known, and is not wrong."""
        return [f"{host}: {line}" for host, status in self.found.items() for line in remarks(status)]

    def lines(self) -> list[str]:
        """Return the lines that people read."""
        now = max((status["time"] for status in self.found.values()), default=0)
        told = f"{moment(self.until)} ({span(now - self.until)} ago)" if self.until else "never: there is no backup"
        lines = [f"{self.environment} is restorable until {told}", ""]
        rows = [("Repository", "On", "Backups", "Newest", "Restorable from", "until", "Size")]
        for host, _, one in self.repositories:
            newest = max(one["backups"], key=lambda backup: backup["stop"], default=None)
            rows.append((
                one["name"] + ("" if one["off_machine"] else " (same disk)"), host, str(len(one["backups"])),
                f"{newest['kind']} {moment(newest['stop'])}" if newest else "none",
                moment(one["since"]) if one["since"] else "", moment(one["until"]) if one["until"] else "",
                amount(one["bytes"]),
            ))  # fmt: skip
        lines += aligned(rows)
        for host, status in self.found.items():
            for one in status["uploads"]:
                if "uploads" in status["does"] and not one["trouble"]:
                    newest_copy = f", the newest from {moment(one['newest'])}" if one["copies"] else ""
                    lines.append(one_line(f"Uploads ({one['name']}): {one['copies']} copies{newest_copy}"))
            if status["drill"]:
                lines.append(one_line(f"{host}: {drill(status['drill'], status['time'])}"))
        moments = [one for status in self.found.values() for one in status["moments"] if one.get("made")]
        if moments:
            lines += ["", *aligned([HEAD, *map(row, sorted(moments, key=lambda one: -one["time"])[:SHOWN])])]
        return [*lines, *(one_line(f"! {line}") for line in self.remarks)]


HEAD = ("When (UTC)", "Kind", "Label", "Release", "Database", "Stored", "Uploads", "Time")


def row(one: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a backup."""
    made = one["made"][0]
    files = one.get("uploads") or {}
    return (
        moment(one["time"])[:16], made["kind"], made["label"], one["release"], amount(made["size"]),
        amount(made["stored"]), f"{files['files']} files" if files.get("files") else "",
        f"{one['seconds']} s" if "seconds" in one else "",
    )  # fmt: skip


def drill(told: Mapping[str, Any], now: float) -> str:
    """Return what came of a drill, in words."""
    which = f" ({told['repository']})" if told.get("repository") else ""
    when = f"Last drill{which} {moment(told['time'])} ({span(now - told['time'])} ago)"
    if not told.get("ok"):
        return f"{when}: failed, {told.get('reason', '')}"
    seconds = told.get("seconds") or 0
    speed = f", {told['bytes'] / seconds / 1e6:.0f} MB/s" if seconds and told.get("bytes") else ""
    return f"{when}: well, {seconds} s{speed}"


def drill_words(host: str, told: Mapping[str, Any]) -> list[str]:
    """Return what a drill has shown, line by line."""
    steps = ", ".join(f"{name} {seconds} s" for name, seconds in (told.get("steps") or {}).items())
    lines = [
        f"Restored on {host} from {told.get('repository', 'the repository')}: backup {told.get('label')}, "
        f"{amount(told.get('bytes') or 0)} in {told.get('seconds')} s",
        f"To its last second: {moment(told['until'])}"
        if told.get("until")
        else "To its end: nothing was written since",
        f"Rows as they were backed up: {told.get('tables', 0)} tables; pg_amcheck found nothing wrong",
        f"Application: {told.get('application', 'not asked')}",
        f"Steps: {steps}",
    ]
    return [one_line(line) for line in lines]


def made_words(moments: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what was backed up just now: label, size, seconds."""
    lines = []
    for one in moments:
        for made in one.get("made") or []:
            where = "the repository" if len(one["made"]) == 1 else made["repository"]
            size = f"{amount(made['size'])} of databases, {amount(made['stored'])} more in {where}"
            lines.append(f"{made['kind']} backup {made['label']}: {size}")
        if files := one.get("uploads"):
            lines.append(
                f"Uploads: {files['files']} files, {amount(files['bytes'])}, {amount(files.get('stored', 0))} new"
            )
        lines.append(f"It took {one.get('seconds', 0)} s (release {one['release'] or 'none'})")
    return [one_line(line) for line in lines]


def plan_words(plan: Mapping[str, Any], files: Mapping[str, Any], environment: str) -> list[str]:
    """Return where a restore leads, how old that is, and what will be lost."""
    old = span(plan["now"] - plan["time"])
    lost = (
        f"Lost: everything written in the last {span(plan['lost'])}" if plan["lost"] else "Lost: nothing that is known"
    )
    lines = [
        f"{environment} goes back to {plan['words']} ({old} ago)",
        f"Database: backup {plan['backup']} and the WAL since, {amount(plan['size'])}",
        *given_words(plan),
        f"Uploads: the copy of {moment(files['moment'])}, and what was added until then",
        lost,
    ]
    if not files["release"]:
        code = "Code: none, the backup is from before the first deployment"
    elif files["release"] == files["live"]:
        code = f"Code: release {files['live']}, which is live"
        if files["wanted"] != files["live"]:
            code = f"Code: stays release {files['live']}; of {files['wanted']}, which was live then, nothing is left"
    else:
        where = "" if files["there"] else ", out of the backup"
        code = (
            f"Code: release {files['release']}, which was live then{where}, in the place of {files['live'] or 'none'}"
        )
    return [one_line(line) for line in [*lines, code]]


def given_words(plan: Mapping[str, Any]) -> list[str]:
    """Return what the backup host has to hand over first, and why."""
    if not plan.get("asks"):
        return []
    given = f"The backup host hands over {plan['files']} files ({amount(plan['bytes'])}) first"
    if plan.get("mends"):
        return [plan["asks"], f"{given}, which take its place; what is there is kept beside them"]
    return [f"{given}: the database's host does not have that any more"]


def amount(size: float) -> str:
    """Return bytes as people say them."""
    for unit in UNITS[:-1]:
        if size < THOUSAND:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= THOUSAND
    return f"{size:.1f} {UNITS[-1]}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with columns; a column that is empty but for its head is left out."""
    found = [[one_line(cell) for cell in one] for one in rows]
    shown = [index for index in range(len(found[0])) if len(found) == 1 or any(one[index] for one in found[1:])]
    widths = {index: max(len(one[index]) for one in found) for index in shown}
    return [GAP.join(one[index].ljust(widths[index]) for index in shown).rstrip() for one in found]
