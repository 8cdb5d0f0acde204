"""Whether a day of votes went as it should: what must hold, whatever has happened."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rx_toppy import Vote
from rx_toppy.sandbox import WebhookTarget

from .lives import Entry
from .weather import Weather

__all__ = ["Evidence", "judge"]


@dataclass
class Evidence:
    """What is left of a day: who has voted, what the bot has kept and handled, what was in its way.

    Attributes:
        seed: The day's.
        cast: Who has voted, each once.
        kept: What the inbox has in the end.
        dead_letters: What it has given up.
        inbox: Its file.
        diary: What the handlers have done, in all lives; only the last life was not killed.
        kills: How often the bot was killed.
        at_once: How many votes it handles at a time.
        endpoints: Where votes were delivered.
        polls: How the requests for the history were answered.
        to_topgg: The weather between bot and top.gg.
        to_bot: The weather between top.gg and the webhook.
    """

    seed: int
    cast: list[int]
    kept: list[Vote]
    dead_letters: Sequence[Vote]
    inbox: Path
    diary: list[Entry]
    kills: int
    at_once: int
    endpoints: list[WebhookTarget]
    polls: list[int | None]
    to_topgg: Weather
    to_bot: Weather

    @property
    def returned(self) -> Counter[int]:
        """How often the handler has returned, by voter."""
        return Counter(entry.voter for entry in self.diary if entry.word == "returned")

    def open_at_the_end(self, life: int) -> set[int]:
        """Whose votes were, when a life ended, running or done, and were handed over again."""
        last = {entry.voter: entry.word for entry in self.diary if entry.life == life}
        later = {entry.voter for entry in self.diary if entry.life > life}
        return {voter for voter, word in last.items() if word != "raised" and voter in later}

    def story(self, voters: Collection[int | None]) -> str:
        """What has happened to the first few of these."""
        lines = [f"{len(voters)} of {len(self.cast)} (seed {self.seed}):"]
        for voter in sorted(voters, key=str)[:3]:
            lines += [f"{voter}:"]
            lines += [f"  life {life}: {word}" for life, word, who in self.diary if who == voter]
            lines += [f"  kept: {vote}" for vote in self.kept if vote.voter_id == voter]
            lines += [
                f"  {told.kind}: {told.tries}"
                for endpoint in self.endpoints
                for told in endpoint.deliveries
                if told.user_id == voter
            ]
        return "\n".join(lines)


def judge(day: Evidence) -> str:
    """Says what was tried and seen.

    Raises:
        AssertionError: a vote was lost, or made up, or handled again without cause.
    """
    _judge_handling(day)
    _judge_inbox(day)
    tries = Counter(
        one.status
        for endpoint in day.endpoints
        for told in endpoint.deliveries
        for one in told.tries
    )
    assert set(tries) <= {None, 204, 503}, f"genuine deliveries were refused: {tries}"
    again = sum(len(day.open_at_the_end(life)) for life in range(day.kills))
    first = Counter(vote.source for vote in day.kept)
    return (
        f"{len(day.cast):,} votes, {day.kills} kills: all handled, {again} again after a kill "
        f"({day.returned.total() - len(day.cast)} of these had been returned from)\n"
        f"{sum(one.count for one in day.endpoints):,} deliveries in {tries.total():,} tries: "
        f"{tries[204]:,} taken, {tries[503]:,} put off, {tries[None]:,} without an answer; "
        f"{sum(one.lost for one in day.endpoints):,} deliveries given up\n"
        f"first heard of: {', '.join(f'{count} by {by}' for by, count in first.items())}\n"
        f"{len(day.polls):,} polls; bot to top.gg: {day.to_topgg}\n"
        f"top.gg to bot: {day.to_bot}"
    )


def _judge_handling(day: Evidence) -> None:
    lost = set(day.cast) - set(day.returned)
    assert not lost, f"never handled: {day.story(lost)}"
    made_up = {entry.voter for entry in day.diary} - set(day.cast)
    assert not made_up, f"nobody has cast: {day.story(made_up)}"
    for life in range(day.kills):
        again = day.open_at_the_end(life)
        assert len(again) <= day.at_once, (
            f"handed over again after kill {life}, where at most {day.at_once} could be running "
            f"or on their way to the disk: {day.story(again)}"
        )
    for life in range(day.kills + 1):
        at_once = Counter(
            entry.voter for entry in day.diary if entry.life == life and entry.word == "returned"
        )
        twice = {voter for voter, count in at_once.items() if count > 1}
        assert not twice, f"handled twice in life {life}: {day.story(twice)}"


def _judge_inbox(day: Evidence) -> None:
    kept = Counter(vote.voter_id for vote in day.kept)
    assert set(kept) == set(day.cast), f"the inbox has not those that were cast (seed {day.seed})"
    twice = {voter for voter, count in kept.items() if count > 1}
    assert not twice, f"twice in the inbox: {day.story(twice)}"
    untold = {vote.voter_id for vote in day.kept if vote.created_at is None}
    assert not untold, f"the history has never told of them: {day.story(untold)}"
    assert not day.dead_letters, f"given up: {day.dead_letters} (seed {day.seed})"
    with closing(sqlite3.connect(day.inbox)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
