"""What the sandbox answers with: JSON, errors too; and the ways of not answering properly."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import msgspec
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from rx_toppy.sandbox.wire_v1 import Problem

_encoder = msgspec.json.Encoder()
_HEADERS = {"Content-Type": "application/json; charset=utf-8"}


class Refused(Exception):
    """Ends a request with an error, which the API that was asked says in its own way.

    Args:
        status: The status of the answer.
        message: What is wrong.
        title: What is wrong in a few words, where the API has these; None takes those of
            the status.
        headers: More headers of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.title = title
        self.headers = headers or {}


class Unanswered(web.StreamResponse):
    """Takes the place of an answer where none is sent: its connection ends.

    Args:
        act: What is done to the request's connection before that. It is called when the
            answer would be sent, so when the request is in the record.
    """

    def __init__(self, act: Callable[[web.BaseRequest], Awaitable[None]] | None = None) -> None:
        super().__init__()
        self._act = act
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send nothing; only act."""
        if self._act is not None:
            await self._act(request)
        return None

    async def write_eof(self, _: bytes = b"") -> None:
        """Send nothing."""


class Shortened(web.StreamResponse):
    """An answer whose body breaks off: Content-Length promises more, then the connection ends.

    Args:
        whole: The answer as it should have been.
        share: How much of its body is sent, from 0 to below 1.
    """

    def __init__(self, whole: web.Response, share: float) -> None:
        super().__init__(status=whole.status, reason=whole.reason, headers=whole.headers)
        body = whole.body if isinstance(whole.body, bytes) else b""
        # Of an empty body, one byte that never comes is the least that can be missing.
        self.content_length = max(1, len(body))
        self._part = body[: int(len(body) * share)]

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Send the head, which says nothing yet of the end of the connection."""
        writer = await super().prepare(request)
        self.force_close()
        return writer

    async def write_eof(self, _: bytes = b"") -> None:
        """Send the part, as if it were all."""
        await super().write_eof(self._part)


def answer(
    data: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Send anything that msgspec can encode; a `Content-Type` among the headers replaces JSON's."""
    sent = {**_HEADERS, **(headers or {})}
    return web.Response(body=_encoder.encode(data), status=status, headers=sent)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

BASE = "/api"
V1_BASE = f"{BASE}/v1"
_PROBLEM = {"Content-Type": "application/problem+json"}
# The one call of v1 that does not say 401 of a bad token.
_EDIT = ("PATCH", f"{V1_BASE}/projects/@me")


def check_token(request: web.Request, token: str) -> None:
    """Let a request pass that has the token: v0 wants it bare, v1 as a bearer's.

    Raises:
        Refused: It has none, another one, or has it in the form of the other API.
    """
    given = request.headers.get("Authorization")
    if not _is_v1(request):
        if given != token:
            raise Refused(401, "Unauthorized")
    elif given != f"Bearer {token}":
        status = 400 if (request.method, request.path) == _EDIT else 401
        raise Refused(status, "The token is missing or not valid.")


@web.middleware
async def say_no(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn what is raised into answers: `{"error": ...}` at v0, problem details at v1."""
    try:
        return await handler(request)
    except Refused as error:
        return _refusal(request, error)
    except web.HTTPMethodNotAllowed as error:
        if not _is_v1(request):
            raise  # As it is: its Allow header says what would do.
        allowed = error.headers["Allow"]
        return _refusal(request, Refused(405, f"Only {allowed}.", headers={"Allow": allowed}))
    except web.HTTPException as error:
        return _refusal(request, Refused(error.status, error.reason))


def _is_v1(request: web.Request) -> bool:
    return request.path == V1_BASE or request.path.startswith(f"{V1_BASE}/")


def _refusal(request: web.Request, error: Refused) -> web.Response:
    if not _is_v1(request):
        return answer({"error": error.message}, error.status, error.headers)
    title = error.title or HTTPStatus(error.status).phrase
    problem = Problem(title=title, status=error.status, detail=error.message)
    return answer(problem, error.status, {**error.headers, **_PROBLEM})
