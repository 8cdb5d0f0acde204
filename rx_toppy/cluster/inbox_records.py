"""Votes as an inbox in Redis has them: one MessagePack array each.

Its scripts read the first five items, which is why ids are text there: Lua's numbers are doubles.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from ..errors import InboxError
from ..models import Vote
from ..models.votes import VoteSource
from ..votes.timestamps import micros, moment
from ..votes.worker import DeadLetter

Row = tuple[
    int,  # when it was cast or came in, as it was known first: its place in time
    str,  # its id, its voter's on top.gg and on the platform, "" for what is not known
    str,
    str,
    bool,  # whether it is a test
    int,  # received, created, expires
    int | None,
    int | None,
    int | None,  # weight
    int | None,  # project
    dict[str, str],
    VoteSource | None,
]

V = TypeVar("V", bound=Vote)

decoder = msgspec.msgpack.Decoder(Row)


def number_of(seq: int) -> str:
    """A vote's number as the scripts have it: all of one length."""
    return f"{seq:012d}"


def encoded(vote: Vote, at: int | None = None) -> bytes:
    """A vote as it is kept; `at` is its place in time where it has one already.

    Raises:
        InboxError: there is text in it that is no Unicode, or a number that is too large.
    """
    weight = vote.weight if vote.weight is None or abs(vote.weight) < 2**63 else None
    row = (
        micros(vote.cast_at) if at is None else at,
        *("" if id is None else str(id) for id in (vote.id, vote.user_id, vote.platform_id)),
        vote.is_test,
        micros(vote.received_at),
        None if vote.created_at is None else micros(vote.created_at),
        None if vote.expires_at is None else micros(vote.expires_at),
        weight,
        vote.project_id,
        vote.query,
        vote.source,
    )
    try:
        return msgspec.msgpack.encode(row)
    except (ValueError, OverflowError, TypeError) as error:
        raise InboxError(f"a vote could not be written: {error}") from error


def decoded(record: bytes) -> tuple[int, Vote]:
    """A vote that was kept, and its place in time."""
    row = decoder.decode(record)
    return row[0], _made(Vote, row)


def decoded_letter(record: bytes, tries: bytes, error: bytes) -> DeadLetter:
    """A dead letter."""
    return _made(DeadLetter, decoder.decode(record), tries=int(tries), error=error.decode())


def _made(kind: type[V], row: Row, **more: object) -> V:
    (
        _,
        id,
        user_id,
        platform_id,
        is_test,
        received_at,
        created_at,
        expires_at,
        weight,
        project_id,
        query,
        source,
    ) = row
    return kind(
        id=int(id) if id else None,
        user_id=int(user_id) if user_id else None,
        platform_id=int(platform_id) if platform_id else None,
        weight=weight,
        created_at=None if created_at is None else moment(created_at),
        expires_at=None if expires_at is None else moment(expires_at),
        received_at=moment(received_at),
        project_id=project_id,
        is_test=is_test,
        query=query,
        source=source,
        **more,
    )
