"""What the sandbox answers with: JSON, errors too."""

import msgspec
from aiohttp import web

_encoder = msgspec.json.Encoder()
_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


class Refused(Exception):
    """Ends a request with this status and with `{"error": message}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message


def answer(data: object, status: int = 200) -> web.Response:
    """Send anything that msgspec can encode."""
    return web.Response(body=_encoder.encode(data), status=status, headers=_HEADERS)
