"""What a server imports."""

import os
import sys
from pathlib import Path

from django.core.wsgi import get_wsgi_application

# Its packages are imported by their names alone.
sys.path.append(str(Path(__file__).resolve().parent.parent / "shop"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
application = get_wsgi_application()
