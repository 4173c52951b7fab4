"""Writes down what is on this host. The package beside this file is copied from the Ansible project."""

import sys

from samestack.manifest.main import main

sys.exit(main(sys.argv[1:]))
