"""Tells people what Alertmanager has. The packages beside this file are copied from the Ansible project."""

import sys

from plugins.module_utils.monitor.alerts import main

sys.exit(main(sys.argv[1:]))
