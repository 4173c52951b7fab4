"""Section `monitor` in comparisons: an environment may have none."""

from __future__ import annotations

ORDER, SHORT = 117, "mon"
RULES = """
monitor/*                                                  | topology machine_address | other machines are asked
packages/{prometheus,prometheus-alertmanager,promtool}     | topology                 | numbers are collected here
packages/{fonts-glyphicons-halflings,libjs-*}              | topology                 | Prometheus shows with them
units/*{prometheus,samestack-alerts}*                   | topology              | numbers are collected here
sockets/tcp *:{9090,9093,9095}                             | topology                 | numbers are collected here
files//etc/sysusers.d/samestack-monitor.conf               | topology                 | who may tell people from here
accounts/*samestack-monitor*                               | topology                 | who may tell people from here
files//etc/prometheus*                                     | topology machine_address | numbers are collected here
files//etc/samestack/monitor*                              | topology machine_address | numbers are collected here
files//usr/local/lib/samestack/alerting*                   | topology                 | people are told from here
"""
FILES = {
    "/etc/sysusers.d/samestack-monitor.conf": "topology",
    "/etc/prometheus/*": "topology machine_address",
    "/etc/samestack/monitor*": "topology machine_address",
    "/usr/local/lib/samestack/alerting*": "topology",
}
