"""Section `system` in comparisons: the release, its locale and clock."""

from __future__ import annotations

ORDER, SHORT = 10, "sys"
RULES = """
system/host name                | expected                                    | each machine has its own
system/machine id               | expected                                    | each machine has its own
system/virtualization           | expected                                    | what a machine runs on is its own
system/{memory MiB,processors}  | expected                                    | machines have their own sizes
system/{kernel,reboot required} | changes                                     | a new kernel starts at its own time
system/architecture             | architecture                                | a laptop may have another processor
system/swap                     | machine_swap_below machine_swap_size memory | where memory is small
"""
