"""The two APIs beside each other: where each lies, how it wants the token, how it says no."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from rx_toppy.sandbox.answers import Refused, answer
from rx_toppy.sandbox.wire_v1 import Problem

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
