"""What pipelines look for in any bot's client: its page, and who has voted since the last look."""

from __future__ import annotations

from collections.abc import Callable

import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops

from ...events import Event, RequestEvent
from ...models import Bot, SimpleUser


class Page(Event, frozen=True):
    """A bot's page, as it is now."""

    bot: Bot


class Voted(Event, frozen=True):
    """Somebody voted."""

    name: str
    about: str
    id: int | None = None


def name_of(voter: SimpleUser) -> str:
    """A voter's name, or the id where top.gg has none."""
    return voter.username or str(voter.id)


def route_of(event: RequestEvent) -> str:
    """A request's method and route."""
    return f"{event.method} {event.route}"


def new_voters() -> Callable[[Observable[list[SimpleUser]]], Observable[SimpleUser]]:
    """Those who voted between one look at the voters and the next.

    ```
    looks:        --[b,a]--[b,a]--[d,c,b,a]-->
    new_voters(): ----------------c-d-------->
    ```
    """
    return rx.compose(ops.pairwise(), ops.starmap(newcomers), ops.flat_map(rx.from_iterable))


def newcomers(before: list[SimpleUser], now: list[SimpleUser]) -> list[SimpleUser]:
    """Those who voted between two looks, in the order in which they did.

    The lists have the newest first, and everybody once: who votes again moves to the front.
    """
    place = {voter.id: index for index, voter in enumerate(before)}
    known = [index for index, voter in enumerate(now) if voter.id in place]
    if not known:
        return now[::-1]
    # Those who have not voted since are still in their order, to the last one known. (Others
    # behind that one are older: they moved up when somebody was struck off a full list.)
    first = known[-1]
    while first and place.get(now[first - 1].id, len(before)) < place[now[first].id]:
        first -= 1
    return now[:first][::-1]
