"""Section `load`: how busy the processors are; of a container, by what it used itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .. import container
from ..check import YELLOW, Check, Facts, Finding, Look

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Seconds over which it is measured, as the second of the kernel's load averages
WINDOW = 300
#: Nobody is slowed down before this share of all processors
BUSY = 0.97


def gather(look: Look) -> Facts:
    """Return the facts: `load`, processes for each processor, or `busy`, the share of all processors."""
    processors = container.processors()
    used = container.processor_seconds()
    if used is None and container.is_container():
        # Of the whole computer, which is nobody's fault here
        return {"processors": processors}
    if used is None:
        return {"processors": processors, "load": os.getloadavg()[1] / processors}
    samples = look.memory.sample("processor", look.now, used, WINDOW, 30)
    seconds, before = look.now - samples[0][0], samples[0][1]
    # A container that was started again counts from the beginning.
    busy = (used - before) / seconds / processors if seconds >= WINDOW / 2 and used >= before else 0
    return {"processors": processors, "busy": busy}


def judge(facts: Facts, limits: Mapping[str, float]) -> Iterator[Finding]:
    """Yield that there is more to do than the processors can."""
    if facts.get("load", 0) > limits["load"]:
        text = f"{facts['load']:.1f} processes wait for each processor, over five minutes"
        yield Finding("load", YELLOW, text, "busy")
    if facts.get("busy", 0) > BUSY:
        yield Finding("busy", YELLOW, "all processors have been busy for five minutes", "busy")


def words(facts: Facts) -> str:
    """Return how busy it is."""
    if "load" in facts:
        return f"{facts['load']:.2f} for each of {facts['processors']} processors"
    if "busy" not in facts:
        return f"{facts['processors']} processors; how busy they are cannot be told in this container"
    return f"{facts['busy'] * 100:.0f} % of {facts['processors']} processors"


CHECK = Check("load", 90, gather, judge, words)
