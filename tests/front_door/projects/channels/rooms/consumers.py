"""A room: what one says, all hear."""

from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer


class Room(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        self.room = self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()

    async def receive_json(self, content: Any, **_more: Any) -> None:
        await self.channel_layer.group_send(self.room, {"type": "heard", "text": content["text"]})

    async def heard(self, event: dict[str, Any]) -> None:
        await self.send_json({"text": event["text"]})
