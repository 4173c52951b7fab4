"""Section `exporters` in comparisons: an environment may have none, and another monitor."""

from __future__ import annotations

ORDER, SHORT = 116, "exp"
DECIDED = "watch_exporters topology"
RULES = f"""
exporters/*                                           | {DECIDED} machine_address | numbers are collected
packages/{{prometheus-*-exporter,stunnel4,libwrap0,daemon}} | {DECIDED} | numbers are collected
{{units,timers}}/*{{prometheus-*-exporter,samestack-metrics,stunnel}}* | {DECIDED} | numbers are collected
sockets/tcp *:{{9100,9113,9121,9180,9187}}            | {DECIDED} machine_address | numbers are collected
files//etc/sysusers.d/samestack-exporters.conf        | {DECIDED}                 | each exporter has an account
files//etc/{{default,init.d,logrotate.d}}/{{prometheus*,stunnel*}} | {DECIDED}    | numbers are collected
files//etc/systemd/system/*prometheus-*-exporter*     | {DECIDED}                 | numbers are collected
files//etc/samestack/metrics*                         | {DECIDED} machine_address | a monitor collects them
accounts/*{{samestack-*-exporter,prometheus,stunnel4}}* | {DECIDED}               | each exporter has an account
"""
FILES = {
    "/etc/samestack/metrics*": f"{DECIDED} machine_address",
    "/etc/sysusers.d/samestack-exporters.conf": DECIDED,
    "/etc/systemd/system/*prometheus-*-exporter*": DECIDED,
    "/etc/systemd/system/samestack-metrics.service": DECIDED,
}
