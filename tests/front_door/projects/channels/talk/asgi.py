"""What a server imports."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "talk.settings")
pages = get_asgi_application()

# Only now are there apps.
from rooms.consumers import Room

application = ProtocolTypeRouter({"http": pages, "websocket": URLRouter([path("rooms/<slug:room>/", Room.as_asgi())])})
