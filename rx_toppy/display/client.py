"""A client: what it has sent, what it still may send, and when it posts next."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, cast

from ..api.rate_limits import Budget
from ..api.transport import Usage
from ..autopost import Autopost
from ..events import PostEvent
from .html import Element, Node
from .style import (
    Column,
    badge,
    duration,
    facts,
    heading,
    listing,
    moment,
    muted,
    number,
    panel,
    quoted,
    spaced,
)

LONGEST_NAME = 40
LONGEST_PREFIX = 40
LIMITS = 12

LIMIT_COLUMNS = (
    Column("Rate limit"),
    Column("Left", is_number=True),
    Column("Next one", is_number=True),
)


def client_html(
    bot: Any,
    *,
    is_closed: bool,
    usage: Usage,
    autopost: Autopost,
    last_post: PostEvent | None,
    now: datetime,
) -> str:
    """A client as it is at a moment, `now`."""
    rows = [_limit(budget, usage, now) for budget in usage.budgets[:LIMITS]]
    failed = muted(f"({number(usage.failed)} failed)") if usage.failed else None
    shown = panel(
        heading(
            Element("strong", "TopGG"),
            *_who(bot),
            badge("closed" if is_closed else "open"),
            muted(f"at {_clock(now, now)}"),
        ),
        _blocks(usage, now),
        facts(
            ("Requests sent", Element("span", *spaced(number(usage.sends), failed))),
            ("Waiting calls", number(usage.waiting)),
            ("Autopost", _rhythm(autopost, is_closed=is_closed)),
            ("Last post", _posted(last_post, now)),
            ("Next post", _due(autopost, now)),
        ),
        *([] if is_closed else listing(LIMIT_COLUMNS, rows, len(usage.budgets))),
    )
    return str(shown)


def _who(bot: Any) -> list[Node]:
    """A bot's name and id, as far as it tells: before it has logged in, a bot may even raise."""
    known: list[Node] = []
    with suppress(Exception):
        if isinstance(name := getattr(bot.user, "name", None), str):
            known.append(quoted(name, LONGEST_NAME))
        known.append(muted(f"{bot.user.id}"))
    return ["for", *known] if known else [muted("for a bot without a user yet")]


def _blocks(usage: Usage, now: datetime) -> Element | None:
    """What top.gg's 429s forbid."""
    lines: list[str] = []
    if usage.blocked_for > 0:
        lines.append(f"Blocked by a 429 until {_after(now, usage.blocked_for)}")
    lines += [
        f"{route} is blocked by a 429 until {_after(now, seconds)}"
        for route, seconds in usage.held.items()
    ]
    if not lines:
        return None
    return Element("div", *[Element("div", Element("strong", line)) for line in lines])


def _limit(budget: Budget, usage: Usage, now: datetime) -> tuple[Node, ...]:
    limit = budget.limit
    where = quoted(limit.prefix, LONGEST_PREFIX)
    per = cast("float", limit.per)  # whatever it was given as
    name = [f"{number(limit.calls)} in {duration(per)}", where and "to", where]
    left = f"{number(budget.left)} of {number(limit.calls)}"
    return Element("span", *spaced(*name)), left, _next_one(budget, usage.blocked_for, now)


def _next_one(budget: Budget, blocked_for: float, now: datetime) -> str:
    if budget.free_in is None:
        return "when an answer has come"
    wait = max(budget.free_in, blocked_for)
    return "now" if wait <= 0 else _after(now, wait)


def _rhythm(autopost: Autopost, *, is_closed: bool) -> str:
    every = f"every {duration(autopost.interval)}"
    if autopost.is_running():
        return f"running, {every}"
    return f"begins with the bot, {every}" if autopost.is_wanted and not is_closed else "stopped"


def _posted(event: PostEvent | None, now: datetime) -> str | None:
    if event is None:
        return None
    return f"{_clock(event.at, now)}: {number(event.stats.server_count)} servers"


def _due(autopost: Autopost, now: datetime) -> str | None:
    if not autopost.is_running():
        return None
    at = autopost.next_iteration
    if at is None:
        return "under way, or waits for the bot"
    return _after(now, (at - now).total_seconds()) if at > now else "due"


def _after(now: datetime, seconds: float) -> str:
    """A moment that is to come, and how far away it is."""
    try:
        at = now + timedelta(seconds=seconds)
    except OverflowError:
        return f"in {duration(seconds)}"
    return f"{_clock(at, now)} (in {duration(seconds)})"


def _clock(at: datetime, now: datetime) -> str:
    """A time of day, and the day where it is not today."""
    text, today = moment(at) or "", moment(now) or ""
    return f"{text[11:] if text[:10] == today[:10] else text} UTC"
