"""Votes as rows: what is written and looked up, each as one step on a connection.

The connection comes last, so that `partial` makes a step of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, compress
from typing import TYPE_CHECKING, Any

import msgspec

from ..models import Vote
from .deduplication import MARGIN, Record, Together, is_meant
from .operators.leaderboard import LeaderboardEntry
from .timestamps import micros, moment
from .worker import DeadLetter

if TYPE_CHECKING:
    from sqlite3 import Connection


WAITING, DONE, DEAD = 0, 1, 2

COLUMNS = (
    "id, user_id, platform_id, weight, created_at, expires_at, received_at, project_id, is_test, "
    "query, source"
)
# So many rows go into one statement at the most, for each statement costs the event loop's thread
# two switches. (Their numbers are powers of two: of those SQLite knows the statements already.)
MOST_ROWS = 128


class Waiting(msgspec.Struct, order=True):
    """A vote that is not done yet."""

    at: int
    seq: int
    tries: int
    vote: Vote


def add_all(votes: Sequence[Vote], database: Connection) -> list[bool]:
    """Adds votes, unless they are there; then what is not known of one yet is added to it.

    Returns:
        For each of them, whether it was new.
    """
    return [is_new for part in _parts(votes) for is_new in _add(part, database)]


def add_page(page: Sequence[Vote], cursor: str, database: Connection) -> list[Vote]:
    """Adds a page of the history together with the cursor behind it; gives those that were new."""
    new = list(compress(page, add_all(page, database)))
    database.execute("INSERT OR REPLACE INTO cursors VALUES ('history', ?)", (cursor,))
    return new


def stored_cursor(database: Connection) -> str | None:
    """The cursor behind the last page that was added."""
    row = database.execute("SELECT cursor FROM cursors WHERE name = 'history'").fetchone()
    return None if row is None else str(row[0])


def backlog(
    behind: tuple[int, int], newest: int, limit: int, database: Connection
) -> list[Waiting]:
    """Votes that are not done, oldest first, of those up to the one that came last, `newest`."""
    rows = database.execute(
        f"SELECT at, seq, tries, {COLUMNS} FROM votes WHERE state = 0 AND (at, seq) > (?, ?) "  # noqa: S608
        "AND seq <= ? ORDER BY at, seq LIMIT ?",
        (*behind, newest, limit),
    )
    return [Waiting(at, seq, tries, _vote(row)) for at, seq, tries, *row in rows]


def after(newest: int, limit: int, database: Connection) -> list[Waiting]:
    """Votes that are not done and came after the one that was `newest`, as they came."""
    rows = database.execute(
        f"SELECT at, seq, tries, {COLUMNS} FROM votes WHERE seq > ? AND state = 0 "  # noqa: S608
        "ORDER BY seq LIMIT ?",
        (newest, limit),
    )
    return [Waiting(at, seq, tries, _vote(row)) for at, seq, tries, *row in rows]


def newest(database: Connection) -> int:
    """The number of the vote that came last."""
    (seq,) = database.execute("SELECT COALESCE(MAX(seq), 0) FROM votes").fetchone()
    return int(seq)


def set_state(seq: int, state: int, tries: int, error: str | None, database: Connection) -> None:
    """Writes down what became of a vote."""
    database.execute(
        "UPDATE votes SET state = ?, tries = ?, error = ? WHERE seq = ?", (state, tries, error, seq)
    )


def dead_letters(behind: int, limit: int, database: Connection) -> list[tuple[int, DeadLetter]]:
    """Votes that were given up, the first one first, each with its number."""
    rows = database.execute(
        f"SELECT seq, tries, error, {COLUMNS} FROM votes WHERE state = 2 AND seq > ? "  # noqa: S608
        "ORDER BY seq LIMIT ?",
        (behind, limit),
    )
    return [
        (seq, DeadLetter(tries=tries, error=error or "", **_fields(row)))
        for seq, tries, error, *row in rows
    ]


def revive(vote: Vote, database: Connection) -> bool:
    """Puts a dead letter at the end of those that wait; whether there was one for this vote."""
    behind = 0
    while letters := dead_letters(behind, 500, database):
        for seq, letter in letters:
            behind = seq
            if is_meant(letter, vote):
                database.execute(
                    "UPDATE votes SET state = 0, tries = 0, error = NULL, "
                    "seq = (SELECT seq + 1 FROM sqlite_sequence WHERE name = 'votes') "
                    "WHERE seq = ?",
                    (seq,),
                )
                # A number is never given twice, by this way either.
                database.execute("UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'votes'")
                return True
    return False


def votes(
    since: int | None, behind: tuple[int, int], limit: int, database: Connection
) -> list[tuple[int, int, Vote]]:
    """Votes from a time on, oldest first, each with its place."""
    start = behind if since is None else max(behind, (since, -1))
    rows = database.execute(
        f"SELECT at, seq, {COLUMNS} FROM votes WHERE (at, seq) > (?, ?) "  # noqa: S608
        "ORDER BY at, seq LIMIT ?",
        (*start, limit),
    )
    return [(at, seq, _vote(row)) for at, seq, *row in rows]


def top_voters(since: int | None, limit: int, database: Connection) -> list[LeaderboardEntry]:
    """Who has voted most, best first; of equals, who began first."""
    rows = database.execute(
        "SELECT COALESCE(platform_id, user_id) AS voter, COUNT(*) AS votes, "
        "SUM(COALESCE(weight, 1)) AS weight FROM votes "
        "WHERE is_test = 0 AND voter IS NOT NULL AND at >= ? "
        "GROUP BY voter ORDER BY votes DESC, weight DESC, MIN(at) LIMIT ?",
        (-(2**62) if since is None else since, limit),
    )
    return [LeaderboardEntry(*row) for row in rows]


def _parts(votes: Sequence[Vote]) -> Iterator[Sequence[Vote]]:
    for start in range(0, len(votes), MOST_ROWS):
        yield votes[start : start + MOST_ROWS]


def _add(votes: Sequence[Vote], database: Connection) -> list[bool]:
    known = _near(votes, database)
    if not known and _are_different(votes):  # as nearly always
        _insert_all(votes, database)
        return [True] * len(votes)
    together = Together()
    is_new = [together.take(vote, known.get(place, ()))[1] for place, vote in enumerate(votes)]
    for record in together.completed():
        _update(database, record)
    _insert_all([record.vote for record in together.new()], database)
    return is_new


def _are_different(votes: Sequence[Vote]) -> bool:
    """Whether their ids alone say that no two of them are the same."""
    voters = {vote.platform_id for vote in votes}
    ids = [vote.id for vote in votes if vote.id is not None]
    return len(voters) == len(votes) and None not in voters and len(set(ids)) == len(ids)


def _insert_all(votes: Sequence[Vote], database: Connection) -> None:
    rows = list(map(_row, votes))
    start = 0
    while start < len(rows):
        count = 1 << ((len(rows) - start).bit_length() - 1)
        chunk = rows[start : start + count]
        database.execute(_insert(count), list(chain.from_iterable(chunk)))
        start += count


@cache
def _insert(count: int) -> str:
    """The statement that inserts so many rows."""
    row = f"({', '.join('?' * 12)})"
    return f"INSERT INTO votes (at, {COLUMNS}) VALUES {', '.join([row] * count)}"  # noqa: S608


@cache
def _search(count: int) -> str:
    """The statement that finds what may be the same as one of so many votes.

    By id; by the voter's id on the platform; by their id on top.gg, where the one or the other
    record knows no other. What is NULL is found nowhere. Each way has an index of its own, the last
    one that of all votes by time: it is for the very few.
    """
    told = ", ".join([f"({', '.join('?' * 6)})"] * count)
    near = "AND at BETWEEN first AND last AND is_test = 0"
    ways = {
        "votes_by_id": "votes.id = told.id AND is_test = 0",
        "votes_by_platform_id": f"votes.platform_id = told.platform_id {near}",
        "votes_by_user_id": f"votes.user_id = told.user_id AND votes.platform_id IS NULL {near}",
        "votes_in_time": f"told.platform_id IS NULL AND votes.user_id = told.user_id {near}",
    }
    columns = ", ".join(f"votes.{name}" for name in COLUMNS.split(", "))
    found = " UNION ALL ".join(
        f"SELECT place, seq, {columns} FROM told CROSS JOIN votes INDEXED BY {index} ON {way}"  # noqa: S608
        for index, way in ways.items()
    )
    return (
        "WITH told (place, id, platform_id, user_id, first, last) AS MATERIALIZED "
        f"(VALUES {told}) {found}"
    )


def _near(votes: Sequence[Vote], database: Connection) -> dict[int, list[tuple[int, Vote]]]:
    """By place of the vote, the records that may be of the same one."""
    values: list[int | None] = []
    for place, vote in enumerate(votes):
        if not vote.is_test:
            at = micros(vote.cast_at)
            values += (place, vote.id, vote.platform_id, vote.user_id, at - MARGIN, at + MARGIN)
    count = 1 << (len(values) // 6 - 1).bit_length() if values else 0
    values += [None] * (6 * count - len(values))
    found: dict[int, list[tuple[int, Vote]]] = {}
    if count:
        for place, seq, *row in database.execute(_search(count), values):
            found.setdefault(place, []).append((seq, _vote(row)))
    return found


def _update(database: Connection, record: Record) -> None:
    """Writes a record anew. Its place in time stays: who reads on behind it would pass it over."""
    assignments = ", ".join(f"{name} = ?" for name in COLUMNS.split(", "))
    database.execute(
        f"UPDATE votes SET {assignments} WHERE seq = ?",  # noqa: S608
        (*_row(record.vote)[1:], record.seq),
    )


def _row(vote: Vote) -> tuple[Any, ...]:
    return (
        micros(vote.cast_at),
        vote.id,
        vote.user_id,
        vote.platform_id,
        vote.weight if vote.weight is None or abs(vote.weight) < 2**63 else None,
        None if vote.created_at is None else micros(vote.created_at),
        None if vote.expires_at is None else micros(vote.expires_at),
        micros(vote.received_at),
        vote.project_id,
        vote.is_test,
        msgspec.json.encode(vote.query).decode() if vote.query else "{}",
        vote.source,
    )


def _vote(row: Sequence[Any]) -> Vote:
    return Vote(**_fields(row))


def _fields(row: Sequence[Any]) -> dict[str, Any]:
    (
        id,
        user_id,
        platform_id,
        weight,
        created_at,
        expires_at,
        received_at,
        project_id,
        is_test,
        query,
        source,
    ) = row
    return {
        "id": id,
        "user_id": user_id,
        "platform_id": platform_id,
        "weight": weight,
        "created_at": None if created_at is None else moment(created_at),
        "expires_at": None if expires_at is None else moment(expires_at),
        "received_at": moment(received_at),
        "project_id": project_id,
        "is_test": bool(is_test),
        "query": msgspec.json.decode(query) if query != "{}" else {},
        "source": source,
    }
