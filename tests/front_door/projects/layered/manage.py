#!/usr/bin/env python
import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    # Its packages are imported by their names alone.
    sys.path.append(str(Path(__file__).resolve().parent / "shop"))
    execute_from_command_line(sys.argv)
