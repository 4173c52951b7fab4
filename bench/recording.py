"""What it costs a machine to write down what is on it, against asking the same programs once and keeping nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench import building
from bench.targets import REPO, play

if TYPE_CHECKING:
    from bench.targets import Target

CACHE = "/var/lib/samestack/recorder/cache.json"
RECORD = "/usr/local/lib/samestack/record --cause asked"
#: What a person would type to see the same, one after the other
ASKED = (
    "dpkg-query -W",
    "apt-cache policy $(dpkg-query -W -f '${{Package}} ')",
    "dpkg --verify",
    "nginx -T",
    "systemctl list-unit-files; systemctl list-units --all; systemctl list-timers --all",
    "systemd-analyze security --no-pager",
    "sysctl -a; nft list ruleset; ss -ltnup",
    "cd / && sudo -u postgres psql -Xc 'TABLE pg_settings' {database} && sudo -u postgres pg_dump -s {database}",
    "find -L /srv/{app}/current /etc /usr/local -xdev -type f -print0 | xargs -0 sha256sum",
    "{app}-manage diffsettings; {app}-manage showmigrations",
)
ROUNDS = 3


@dataclass(frozen=True)
class Seconds:
    """What each took, in seconds."""

    cold: float
    warm: float
    asked: float
    provision: float
    without: float


def timed(target: Target, script: str) -> float:
    """Return the seconds of a script on the machine, its start by ssh left out."""
    clock = f"began=$(date +%s.%N); {{ {script}; }} >/dev/null 2>&1 </dev/null || true; ended=$(date +%s.%N)"
    began, ended = target.run(f"{clock}; echo $began $ended").split()
    return float(ended) - float(began)


def measure(target: Target, plan: dict[str, Any]) -> Seconds:
    """Return what recordings take on a machine with the example on it, and what they add to an idle provision."""
    play(target, REPO / "playbooks" / "deploy.yml", "recording-deploy")
    names = {"app": plan["app"], "database": plan["app"].replace("-", "_")}
    asked = "; ".join(ASKED).format(**names)
    # What else the computer does can only make a run longer: the shortest one of each counts.
    cold = min(timed(target, f"rm -f {CACHE}; {RECORD}") for _ in range(ROUNDS))
    warm = min(timed(target, RECORD) for _ in range(ROUNDS))
    plain = min(timed(target, asked) for _ in range(ROUNDS))
    both: dict[str, list[float]] = {"": [], "parity": []}
    for turn in range(ROUNDS):
        for tags, seconds in both.items():
            skipped = ["--skip-tags", tags] if tags else []
            seconds.append(play(target, building.SITE, f"recording-{tags or 'all'}-{turn}", *skipped).seconds)
    return Seconds(cold, warm, plain, min(both[""]), min(both["parity"]))
