"""Writes down what is on this host. The packages beside this file are copied from the Ansible project."""

import sys

from plugins.module_utils.manifest.main import main

sys.exit(main(sys.argv[1:]))
