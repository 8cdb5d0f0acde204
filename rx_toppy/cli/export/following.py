"""Votes as they come, a line each."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TextIO

import reactivex as rx
from reactivex import Observable
from reactivex import operators as ops

from ...client import TopGG
from ...events import PollFailed
from ...models import Vote
from ...streams.operators import of_type
from ..live.telling import told
from ..records import VoteRecord, json_line
from ..text import write
from .asking import client_of, quiet, unless_ended

Lines = Observable[tuple[TextIO, str]]


def following(
    token: str,
    *,
    since: datetime | None,
    every: float,
    base_url: str,
    seconds: float | None,
    as_json: bool = False,
) -> Callable[[], None]:
    """What shows each vote, until the time is over, or until Ctrl-C.

    A failure that can pass is a line as well; beside JSON that goes to standard error. It raises a
    `ToppyError` for one that can't, such as a token that is refused, and an OSError when its lines
    can't be written any more.

    Raises:
        ValueError: an argument makes no sense.
    """
    # The next look is the retry, and nothing waits in silence: a failure is shown as it comes.
    client = client_of(token, base_url, retries=0, max_wait=0)
    votes = client.poll_votes(every=every, since=since)
    greeting = "" if as_json else _greeting(since, every)
    return partial(_run, client, _lines(client, votes, as_json), greeting, seconds)


def _run(client: TopGG, lines: Lines, greeting: str, seconds: float | None) -> None:
    if greeting and sys.stdout.isatty():
        write(sys.stdout, greeting)
    # A failed look has its line; logged as well, it would be told twice.
    with quiet("rx_toppy.votes"):
        asyncio.run(unless_ended(_follow(client, lines), seconds))


async def _follow(client: TopGG, lines: Lines) -> None:
    """Writes line after line; ends with the error that ends them, or with one of writing."""
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(error: Exception) -> None:
        if not failed.done():
            failed.set_exception(error)

    def show(line: tuple[TextIO, str]) -> None:
        try:
            write(*line)
        except OSError as error:
            fail(error)

    async with client:
        with lines.subscribe(show, fail):
            await failed


def _lines(client: TopGG, votes: Observable[Vote], as_json: bool) -> Lines:
    """A line for each vote, and for each failure between them; and where they go.

    ```
    votes:    --a-----b---c-->
    failures: -----X--------->
    lines:    --1--X--2---3-->
    ```
    """
    out, err = sys.stdout, sys.stderr if as_json else sys.stdout

    def of_vote(vote: Vote, index: int) -> tuple[TextIO, str]:
        if as_json:
            return out, json_line(VoteRecord.of(vote), out.encoding)
        return out, _of_vote(vote, index)

    failures = client.events.pipe(of_type(PollFailed), ops.map(_of_failure))
    return rx.merge(
        votes.pipe(ops.map_indexed(of_vote)), failures.pipe(ops.map(lambda line: (err, line)))
    )


def _of_vote(vote: Vote, index: int) -> str:
    weight = "?" if vote.weight is None else vote.weight
    return f"{_time(vote.cast_at)}  {vote.voter_id:<19}  weight {weight}  {index + 1:,} so far"


def _of_failure(failure: PollFailed) -> str:
    kind, what = told(failure)
    return f"{_time(failure.at)}  {kind}: {what}"


def _greeting(since: datetime | None, every: float) -> str:
    begin = "now" if since is None else _time(since)
    return f"Votes from {begin} on, with a look every {every:g} s; Ctrl-C ends it."


def _time(moment: datetime) -> str:
    """A time in UTC, which `--since` goes by too."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"
