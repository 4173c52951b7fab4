"""Whether this host is well. The packages beside this file are copied from the Ansible project."""

import sys

from plugins.module_utils.watch.main import main

sys.exit(main(sys.argv[1:]))
